//! The workspaces of the guests, which are built for WebAssembly and know nothing of the host.

use std::path::{Path, PathBuf};

/// The folders that hold a guest workspace, where they are there.
const WORKSPACES: &[&str] = &["sdk/rust", "operators", "tests/fixtures", "examples/operators"];

pub fn manifests(root: &Path) -> Vec<PathBuf> {
    WORKSPACES.iter().map(|folder| root.join(folder).join("Cargo.toml")).filter(|path| path.exists()).collect()
}
