//! `airlock assets`.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{Session, runs};
use crate::cli::{AssetWhich, AssetsCommand};
use crate::client::{Client, query};
use crate::failure::Failure;
use crate::output::{self, Column};

const COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("NAME", "/name"),
    ("URI", "/uri"),
    ("GROUP", "/group"),
    ("LAST EVENT", "/last_asset_event/timestamp"),
];

const EVENT_COLUMNS: &[Column] = &[
    ("TIME", "/timestamp"),
    ("ASSET", "/name"),
    ("DAG", "/source_dag_id"),
    ("RUN", "/source_run_id"),
    ("TASK", "/source_task_id"),
    ("EXTRA", "/extra"),
];

const PATH: &str = "/api/v2/assets";

pub async fn run(command: AssetsCommand, session: &Session) -> Result<()> {
    let client = session.client()?;
    match command {
        AssetsCommand::List => output::rows(session.output, COLUMNS, &client.list(PATH, "assets").await?),
        AssetsCommand::Events { asset, number } => {
            let mut path = format!("{PATH}/events?order_by=-timestamp&limit={number}");
            if asset.name.is_some() || asset.uri.is_some() {
                path.push_str(&format!("&asset_id={}", find(&client, &asset).await?));
            }
            let answer = client.get(&path).await?;
            let events = answer.get("asset_events").and_then(Value::as_array).cloned().unwrap_or_default();
            output::rows(session.output, EVENT_COLUMNS, &events)
        }
        AssetsCommand::Materialize { asset } => {
            let id = find(&client, &asset).await?;
            let run = client.post(&format!("{PATH}/{id}/materialize"), &json!({})).await?;
            output::record(session.output, runs::COLUMNS, &run)
        }
    }
}

/// The id of the one asset that has this name and URI.
async fn find(client: &Client, wanted: &AssetWhich) -> Result<i64> {
    let text = wanted.name.as_ref().or(wanted.uri.as_ref()).ok_or_else(|| {
        Failure::usage("which asset?").hint("--name or --uri says; `airlock assets list` shows what there is")
    })?;
    let member = if wanted.name.is_some() { "name_pattern" } else { "uri_pattern" };
    let found = client.list(&format!("{PATH}?{member}={}", query(text)), "assets").await?;
    let is = |asset: &Value, name: &str, text: &Option<String>| {
        text.as_deref().is_none_or(|text| asset.get(name).and_then(Value::as_str) == Some(text))
    };
    let mut fitting = found.iter().filter(|asset| is(asset, "name", &wanted.name) && is(asset, "uri", &wanted.uri));
    match (fitting.next(), fitting.next()) {
        (Some(asset), None) => asset.get("id").and_then(Value::as_i64).context("the asset has no id"),
        (None, _) => Err(Failure::new(format!("there is no asset `{text}`"))
            .hint("`airlock assets list` shows what there is")
            .into()),
        _ => {
            Err(Failure::new(format!("several assets are `{text}`")).hint("--name and --uri together name one").into())
        }
    }
}
