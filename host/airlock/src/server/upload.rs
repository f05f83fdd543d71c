//! Modules that a server uploads to itself, through the API as anybody would.

use std::path::{Path, PathBuf};

use airlock_core::digest::Digest;
use anyhow::{Context, Result};
use serde_json::Value;

use crate::client::Client;

/// Uploads every module of a folder that the tenant's catalogue does not have yet.
pub async fn folder(client: &Client, folder: &Path) -> Result<()> {
    let known = digests(client).await?;
    for module in modules(folder)? {
        let bytes = read(&module).await?;
        if !known.contains(&Digest::of(&bytes).to_string()) {
            send(client, &module, bytes).await?;
        }
    }
    Ok(())
}

/// Uploads one module, and answers its row in the catalogue.
pub async fn module(client: &Client, module: &Path) -> Result<Value> {
    send(client, module, read(module).await?).await
}

async fn read(module: &Path) -> Result<Vec<u8>> {
    tokio::fs::read(module).await.with_context(|| format!("cannot read {}", module.display()))
}

async fn send(client: &Client, module: &Path, bytes: Vec<u8>) -> Result<Value> {
    let answer = client.post_bytes("/api/v2/operators", "application/wasm", bytes).await;
    let row = answer.with_context(|| format!("{} was not accepted", module.display()))?;
    let word = |member: &str| row.get(member).and_then(Value::as_str).unwrap_or_default();
    tracing::info!("took in the operator {}@{} of {}", word("name"), word("version"), module.display());
    Ok(row)
}

async fn digests(client: &Client) -> Result<Vec<String>> {
    let operators = client.get("/api/v2/operators").await?;
    let versions = operators.get("operators").and_then(Value::as_array).into_iter().flatten();
    let versions = versions.filter_map(|operator| operator.get("versions")?.as_array()).flatten();
    // What was withdrawn is not known: whoever names the folder wants it.
    let there = versions.filter(|version| version.get("yanked") != Some(&Value::Bool(true)));
    Ok(there.filter_map(|version| Some(version.get("digest")?.as_str()?.to_owned())).collect())
}

/// The modules in a folder, by name.
fn modules(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read the folder {}", folder.display()))?;
    let mut modules: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|end| end == "wasm"))
        .collect();
    modules.sort();
    Ok(modules)
}
