//! Operator modules, as `cargo xtask operators` builds them.

use std::path::PathBuf;

use anyhow::{Context, Result};

/// The folder of the project's target files: this very program lies in it, a test as `PROFILE/deps/NAME` and `cargo xtask` as
/// `PROFILE/xtask`.
pub fn target() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let mut folders = program.ancestors().skip(1).filter(|folder| !folder.ends_with("deps"));
    let target = folders.nth(1).context("the program is not in a target folder")?;
    Ok(target.to_owned())
}

/// Where the operators' modules are.
pub fn modules_folder() -> Result<PathBuf> {
    Ok(target()?.join("operators"))
}

/// The module of one of the project's operators, such as `bash`.
pub fn module(operator: &str) -> Result<Vec<u8>> {
    let file = modules_folder()?.join(operator).with_extension("wasm");
    std::fs::read(&file).with_context(|| format!("cannot read {}: `cargo xtask operators` makes it", file.display()))
}
