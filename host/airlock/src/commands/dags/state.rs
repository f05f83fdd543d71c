//! `airlock dags state`.

use anyhow::Result;
use serde_json::Value;

use super::{Session, path};
use crate::client::segment;
use crate::output;

pub async fn run(dag_id: &str, run_id: &str, session: &Session) -> Result<()> {
    let run = session.client()?.get(&format!("{}/dagRuns/{}", path(dag_id), segment(run_id))).await?;
    output::write(&format!("{}\n", run.get("state").and_then(Value::as_str).unwrap_or_default()))
}
