//! `airlock tasks logs`.

use std::time::Duration;

use anyhow::Result;
use serde_json::Value;

use super::{TaskId, instance_path, task_path};
use crate::client::Client;
use crate::output::{self, Format};

const EVERY: Duration = Duration::from_millis(300);

/// Writes the log of a try, and what is added to it while it runs.
pub async fn run(client: &Client, task: &TaskId, try_number: Option<u32>, follow: bool, format: Format) -> Result<()> {
    let mut written = 0;
    loop {
        // The state first: if the try has ended, the log that is read after it is whole.
        let instance = client.get(&instance_path(task)).await?;
        let newest = instance.get("try_number").and_then(Value::as_u64).unwrap_or(1).max(1);
        let wanted = try_number.map_or(newest, u64::from);
        let path = format!("{}/logs/{wanted}?map_index={}&full_content=true", task_path(task), task.map_index);
        let mut answer = client.get(&path).await?;
        let records = super::items(&mut answer, "content");
        for record in records.iter().skip(written) {
            output::write(&line(record, format)?)?;
        }
        written = written.max(records.len());
        let state = instance.get("state").and_then(Value::as_str).unwrap_or_default();
        let over = wanted < newest
            || !matches!(state, "running" | "queued" | "scheduled" | "deferred" | "up_for_reschedule" | "");
        if !follow || over {
            return Ok(());
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// A record as it is written, with the end of its line.
pub fn line(record: &Value, format: Format) -> Result<String> {
    if format == Format::Json {
        return Ok(format!("{}\n", serde_json::to_string(record)?));
    }
    if let Some(text) = record.as_str() {
        return Ok(format!("{text}\n"));
    }
    let text = |member: &str| record.get(member).and_then(Value::as_str).unwrap_or_default();
    let words: Vec<&str> = [text("timestamp"), text("level"), text("logger"), text("event")]
        .into_iter()
        .filter(|word| !word.is_empty())
        .collect();
    Ok(format!("{}\n", words.join("  ")))
}
