//! `airlock backfill`.

use anyhow::Result;
use clap::ValueEnum;
use reqwest::Method;
use serde_json::{Value, json};

use super::Session;
use super::dags::object;
use crate::cli::{BackfillCommand, CreateBackfill};
use crate::client::query;
use crate::failure::Failure;
use crate::output::{self, Column};

const COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("DAG", "/dag_id"),
    ("FROM", "/from_date"),
    ("TO", "/to_date"),
    ("REPROCESS", "/reprocess_behavior"),
    ("ACTIVE RUNS", "/max_active_runs"),
    ("PAUSED", "/is_paused"),
    ("CREATED", "/created_at"),
    ("COMPLETED", "/completed_at"),
];

const DRY_RUN_COLUMNS: &[Column] = &[("LOGICAL DATE", "/logical_date")];

const PATH: &str = "/api/v2/backfills";

pub async fn run(command: BackfillCommand, session: &Session) -> Result<()> {
    match command {
        BackfillCommand::Create(wanted) => create(&wanted, session).await,
        BackfillCommand::List { dag_id } => {
            let found = session.client()?.list(&format!("{PATH}?dag_id={}", query(&dag_id)), "backfills").await?;
            output::rows(session.output, COLUMNS, &found)
        }
        BackfillCommand::Pause { backfill_id } => put(backfill_id, "pause", session).await,
        BackfillCommand::Unpause { backfill_id } => put(backfill_id, "unpause", session).await,
        BackfillCommand::Cancel { backfill_id } => put(backfill_id, "cancel", session).await,
    }
}

async fn create(wanted: &CreateBackfill, session: &Session) -> Result<()> {
    let behavior = wanted.reprocess_behavior.to_possible_value();
    let mut body = json!({
        "dag_id": wanted.dag_id,
        "from_date": wanted.from_date,
        "to_date": wanted.to_date,
        "run_backwards": wanted.run_backwards,
        "reprocess_behavior": behavior.as_ref().map(|value| value.get_name()),
        "run_on_latest_version": !wanted.no_run_on_latest_version,
    });
    if let Some(conf) = &wanted.dag_run_conf {
        body["dag_run_conf"] = Value::Object(object("--dag-run-conf", conf)?);
    }
    if let Some(runs) = wanted.max_active_runs {
        body["max_active_runs"] = json!(runs);
    }
    let client = session.client()?;
    if !wanted.dry_run {
        return output::record(session.output, COLUMNS, &client.post(PATH, &body).await?);
    }
    let answer = client.post(&format!("{PATH}/dry_run"), &body).await?;
    let runs = answer.get("backfills").and_then(Value::as_array).cloned().unwrap_or_default();
    output::rows(session.output, DRY_RUN_COLUMNS, &runs)?;
    if runs.is_empty() {
        return Err(Failure::new("this backfill would make no run")
            .hint("--reprocess-behavior says which runs that exist already are made anew")
            .into());
    }
    Ok(())
}

async fn put(backfill_id: u64, verb: &str, session: &Session) -> Result<()> {
    let backfill = session.client()?.send(Method::PUT, &format!("{PATH}/{backfill_id}/{verb}"), &json!({})).await?;
    output::record(session.output, COLUMNS, &backfill)
}
