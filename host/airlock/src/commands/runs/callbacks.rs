//! `airlock runs callbacks`: what was called because of what happened in a run.

use std::time::Duration;

use anyhow::Result;
use serde_json::Value;

use crate::client::{Client, segment};
use crate::commands::tasks::logs::line;
use crate::output::{self, Column, Format};

const COLUMNS: &[Column] = &[
    ("CALLBACK", "/id"),
    ("EVENT", "/event"),
    ("TASK", "/task_id"),
    ("INDEX", "/map_index"),
    ("TRY", "/try_number"),
    ("OPERATOR", "/operator"),
    ("STATE", "/state"),
    ("ATTEMPTS", "/attempts"),
    ("DUE", "/created_at"),
    ("END", "/end_date"),
    ("MESSAGE", "/message"),
];

const EVERY: Duration = Duration::from_millis(250);

pub async fn run(client: &Client, run: &str, logs: bool, format: Format) -> Result<()> {
    let callbacks = client.list(&format!("{run}/callbacks"), "callbacks").await?;
    if logs { every_log(client, run, &callbacks, format).await } else { output::rows(format, COLUMNS, &callbacks) }
}

/// Waits until every callback of a run that has ended is over, and writes their logs.
pub async fn until_over(client: &Client, run: &str) -> Result<()> {
    let is_open =
        |callback: &Value| matches!(callback.get("state").and_then(Value::as_str), Some("queued" | "running"));
    loop {
        let callbacks = client.list(&format!("{run}/callbacks"), "callbacks").await?;
        if !callbacks.iter().any(is_open) {
            return every_log(client, run, &callbacks, Format::Table).await;
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// The log of the newest attempt at each.
async fn every_log(client: &Client, run: &str, callbacks: &[Value], format: Format) -> Result<()> {
    for callback in callbacks {
        let text = |member: &str| callback.get(member).and_then(Value::as_str).unwrap_or_default();
        let of = if text("task_id").is_empty() { "run" } else { text("task_id") };
        output::write(&format!("-- {} of {of}, {}\n", text("event"), text("state")))?;
        let answer = client.get(&format!("{run}/callbacks/{}/log", segment(text("id")))).await?;
        for record in answer.get("content").and_then(Value::as_array).into_iter().flatten() {
            output::write(&line(record, format)?)?;
        }
    }
    Ok(())
}
