//! `airlock dags trigger`.

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use super::{Session, path};
use crate::cli::TriggerDag;
use crate::commands::runs;
use crate::failure::Failure;
use crate::output;

pub async fn run(trigger: &TriggerDag, session: &Session) -> Result<()> {
    let client = session.client()?;
    // `logical_date` must be there, and may be null: so Airflow has it.
    let mut body = json!({ "logical_date": trigger.logical_date });
    if let Some(conf) = &trigger.conf {
        body["conf"] = Value::Object(object("--conf", conf)?);
    }
    if let Some(run_id) = &trigger.run_id {
        body["dag_run_id"] = json!(run_id);
    }
    if let Some(note) = &trigger.note {
        body["note"] = json!(note);
    }
    let run = client.post(&format!("{}/dagRuns", path(&trigger.dag_id)), &body).await?;
    if !trigger.wait {
        return output::record(session.output, runs::COLUMNS, &run);
    }
    let run_id = run.get("dag_run_id").and_then(Value::as_str).context("the server named no run")?;
    runs::watch::until_end(&client, &trigger.dag_id, run_id, session.output).await
}

/// Reads a JSON object from the command line.
pub fn object(flag: &str, text: &str) -> Result<Map<String, Value>> {
    serde_json::from_str(text).map_err(|error| {
        Failure::usage(format!("{flag} is not a JSON object: {error}"))
            .hint("such as '{\"day\": \"2026-01-31\"}'")
            .into()
    })
}
