//! `airlock dags show`.

use anyhow::Result;

use super::{Session, path};
use crate::output::{self, Column};

const COLUMNS: &[Column] = &[
    ("dag", "/dag_id"),
    ("description", "/description"),
    ("paused", "/is_paused"),
    ("schedule", "/timetable_summary"),
    ("timezone", "/timezone"),
    ("start date", "/start_date"),
    ("end date", "/end_date"),
    ("catchup", "/catchup"),
    ("next run", "/next_dagrun_run_after"),
    ("version", "/latest_dag_version/version_number"),
    ("tags", "/tags"),
    ("owners", "/owners"),
    ("active runs", "/max_active_runs"),
    ("active tasks", "/max_active_tasks"),
];

pub async fn run(dag_id: &str, source: bool, session: &Session) -> Result<()> {
    let client = session.client()?;
    if source {
        let document = client.get(&format!("{}/source", path(dag_id))).await?;
        return output::write(&format!("{}\n", serde_json::to_string_pretty(&document)?));
    }
    let dag = client.get(&format!("{}/details", path(dag_id))).await?;
    output::record(session.output, COLUMNS, &dag)
}
