//! `airlock operators inspect`.

use std::path::Path;

use anyhow::Result;
use serde_json::Value;

use super::{Session, version_path};
use crate::client::segment;
use crate::failure::Failure;
use crate::local::{Local, Surroundings};
use crate::output::{self, Column};
use crate::server;

const COLUMNS: &[Column] = &[
    ("operator", "/name"),
    ("version", "/version"),
    ("kind", "/kind"),
    ("digest", "/digest"),
    ("size", "/size"),
    ("summary", "/summary"),
    ("templates", "/template_fields"),
    ("imports", "/imports"),
    ("arguments", "/arguments_schema"),
];

pub async fn run(operator: &str, session: &Session) -> Result<()> {
    let version =
        if operator.ends_with(".wasm") { file(operator, session).await? } else { uploaded(operator, session).await? };
    output::record(session.output, COLUMNS, &version)
}

/// By a server of its own: what it says of a module is what any server would.
async fn file(file: &str, session: &Session) -> Result<Value> {
    let nothing =
        Surroundings { operators: &[], modules: &[], connections: None, variables: None, allow_private_network: false };
    let local = Local::start(&session.config, &nothing).await?;
    let version = server::upload(&local.client, Path::new(file)).await;
    local.stop().await?;
    version
}

async fn uploaded(operator: &str, session: &Session) -> Result<Value> {
    let client = session.client()?;
    if let Some((name, version)) = operator.split_once('@') {
        return client.get(&version_path(name, version)).await;
    }
    let found = client.get(&format!("/api/v2/operators/{}", segment(operator))).await?;
    let newest = found.pointer("/versions/0").cloned();
    newest.ok_or_else(|| Failure::new(format!("the operator `{operator}` has no version")).into())
}
