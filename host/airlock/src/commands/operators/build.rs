//! `airlock operators build`: by plain cargo, which says where it put the module.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::commands::Session;
use crate::failure::Failure;
use crate::output;

const TARGET: &str = "wasm32-wasip2";

pub fn run(path: &Path, _session: &Session) -> Result<()> {
    let module = build(path)?;
    output::write(&format!("{}\n", module.display()))
}

/// A module as it is, or the one that the operator in this folder builds to.
pub fn module(path: &Path) -> Result<PathBuf> {
    if path.is_dir() { build(path) } else { Ok(path.to_owned()) }
}

fn build(folder: &Path) -> Result<PathBuf> {
    let manifest = folder.join("Cargo.toml");
    if !manifest.is_file() {
        return Err(Failure::usage(format!("{} has no Cargo.toml", folder.display()))
            .hint("`airlock operators new NAME` makes an operator")
            .into());
    }
    let output = Command::new("cargo")
        .current_dir(folder)
        .args(["build", "--release", "--target", TARGET, "--message-format", "json-render-diagnostics"])
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    if !output.status.success() {
        return Err(Failure::new(format!("{} does not build", folder.display()))
            .hint(format!("the target is installed by `rustup target add {TARGET}`"))
            .into());
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let modules: Vec<PathBuf> = messages.lines().filter_map(|line| built(line, &manifest)).collect();
    match modules.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(Failure::new(format!("{} builds to no module", folder.display()))
            .hint("an operator's Cargo.toml has `crate-type = [\"cdylib\"]` under [lib]")
            .into()),
        several => {
            Err(Failure::usage(format!("{} builds to {} modules: name one", folder.display(), several.len())).into())
        }
    }
}

/// The module in a message of cargo, if the message is about the package with this manifest.
fn built(line: &str, manifest: &Path) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(line).ok()?;
    if message.get("reason")?.as_str()? != "compiler-artifact" {
        return None;
    }
    let theirs = Path::new(message.get("manifest_path")?.as_str()?);
    if theirs.canonicalize().ok()? != manifest.canonicalize().ok()? {
        return None;
    }
    let files = message.get("filenames")?.as_array()?;
    files
        .iter()
        .filter_map(Value::as_str)
        .map(PathBuf::from)
        .find(|path| path.extension().is_some_and(|end| end == "wasm"))
}
