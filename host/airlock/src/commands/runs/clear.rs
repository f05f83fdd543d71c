//! `airlock runs clear`.

use anyhow::Result;
use serde_json::{Value, json};

use super::{COLUMNS, Session, path};
use crate::cli::ClearRun;
use crate::client::Client;
use crate::commands::ask;
use crate::failure::Failure;
use crate::output::{self, Column};

const TASKS: &[Column] = &[("TASK", "/task_id"), ("INDEX", "/map_index"), ("STATE", "/state"), ("TRY", "/try_number")];

pub async fn run(client: &Client, command: &ClearRun, session: &Session) -> Result<()> {
    let path = format!("{}/clear", path(&command.run));
    let mut body = json!({
        "dry_run": true,
        "only_failed": command.only_failed,
        "only_new": command.only_new,
        "run_on_latest_version": command.latest_version,
    });
    let answer = client.post(&path, &body).await?;
    let found = answer.get("task_instances").and_then(Value::as_array).cloned().unwrap_or_default();
    if command.dry_run {
        return output::rows(session.output, TASKS, &found);
    }
    if found.is_empty() && !command.latest_version {
        return Err(Failure::new(format!("there is nothing to clear in the run `{}`", command.run.run_id)).into());
    }
    ask::unless(command.yes, &format!("Clear {} tasks of the run `{}`?", found.len(), command.run.run_id))?;
    body["dry_run"] = Value::Bool(false);
    output::record(session.output, COLUMNS, &client.post(&path, &body).await?)
}
