//! `airlock dags next-execution`.

use anyhow::Result;
use serde_json::Value;

use super::{Session, path};
use crate::failure::Failure;
use crate::output::{self, Column};

const COLUMNS: &[Column] = &[
    ("RUN AFTER", "/run_after"),
    ("LOCAL TIME", "/run_after_local"),
    ("LOGICAL DATE", "/logical_date"),
    ("FROM", "/data_interval_start"),
    ("TO", "/data_interval_end"),
];

pub async fn run(dag_id: &str, number: u32, session: &Session) -> Result<()> {
    let answer = session.client()?.get(&format!("{}/nextRuns?count={number}", path(dag_id))).await?;
    let runs = answer.get("runs").and_then(Value::as_array).cloned().unwrap_or_default();
    output::rows(session.output, COLUMNS, &runs)?;
    if runs.is_empty() {
        return Err(Failure::new(format!("the DAG `{dag_id}` makes no run by itself"))
            .hint("`airlock dags trigger` makes one")
            .into());
    }
    Ok(())
}
