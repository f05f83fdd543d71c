//! Building the host.

use std::path::PathBuf;

use anyhow::Result;

use crate::process;

/// Builds the binary, and answers where it is. Of the whole workspace, so that the features of dependencies are those of
/// every other build here, and nothing is compiled twice.
pub fn binary(release: bool) -> Result<PathBuf> {
    let mut cargo = process::command("cargo");
    cargo.current_dir(crate::root()).args(["build", "--locked", "--quiet", "--workspace", "--bin", "airlock"]);
    if release {
        cargo.arg("--release");
    }
    process::run(&mut cargo)?;
    Ok(crate::target().join(if release { "release" } else { "debug" }).join("airlock"))
}
