//! The workspaces of the guests, which are built for WebAssembly and know nothing of the host.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::process;

/// The folders that hold a guest workspace.
const WORKSPACES: &[&str] = &["sdk/rust", "operators", "examples/operators", "tests/fixtures"];

/// Those of them whose members become modules.
const MODULES: &[&str] = &["operators", "examples/operators"];
const FIXTURES: &[&str] = &["tests/fixtures"];

pub fn manifests(root: &Path) -> Vec<PathBuf> {
    WORKSPACES.iter().map(|folder| root.join(folder).join("Cargo.toml")).filter(|path| path.exists()).collect()
}

/// Builds the operators' modules, and gathers them in one folder under their names.
pub fn build_operators(root: &Path) -> Result<()> {
    let folder = modules_folder();
    fs::create_dir_all(&folder)?;
    for workspace in MODULES {
        for module in build(&root.join(workspace))? {
            let name = module.file_stem().and_then(|name| name.to_str()).context("a module without a name")?;
            let name = name.strip_prefix("airlock_operator_").unwrap_or(name).replace('_', "-");
            let target = folder.join(name).with_extension("wasm");
            fs::copy(&module, &target).with_context(|| format!("cannot copy {}", module.display()))?;
        }
    }
    Ok(())
}

/// Builds the guests that the sandbox is tested with.
pub fn build_fixtures(root: &Path) -> Result<()> {
    FIXTURES.iter().try_for_each(|workspace| build(&root.join(workspace)).map(drop))
}

/// Builds a workspace, and answers its modules.
fn build(workspace: &Path) -> Result<Vec<PathBuf>> {
    // From within the folder, so that its own configuration of cargo applies.
    let mut cargo = process::command("cargo");
    cargo.current_dir(workspace).args(["build", "--locked", "--quiet", "--release", "--target", "wasm32-wasip2"]);
    let messages = process::output(cargo.args(["--message-format", "json-render-diagnostics"]))?;
    let artifact = |line: &str| {
        let message: Value = serde_json::from_str(line).ok()?;
        let files = message.get("filenames")?.as_array()?.clone();
        files
            .iter()
            .filter_map(Value::as_str)
            .map(PathBuf::from)
            .find(|path| path.extension().is_some_and(|end| end == "wasm"))
    };
    Ok(messages.lines().filter_map(artifact).collect())
}

/// Where the operators' modules are gathered.
pub fn modules_folder() -> PathBuf {
    crate::target().join("operators")
}
