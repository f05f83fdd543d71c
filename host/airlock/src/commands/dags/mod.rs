//! `airlock dags`.

mod apply;
mod delete;
mod diff;
mod list;
mod next_execution;
mod pause;
mod show;
mod state;
pub mod test;
mod trigger;
pub use trigger::object;
mod validate;
mod versions;

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Session, runs};
use crate::cli::DagsCommand;
use crate::client::segment;
use crate::failure::Failure;
use crate::output::Column;

const COLUMNS: &[Column] = &[
    ("DAG", "/dag_id"),
    ("PAUSED", "/is_paused"),
    ("SCHEDULE", "/timetable_summary"),
    ("NEXT RUN", "/next_dagrun_run_after"),
    ("TAGS", "/tags"),
    ("OWNERS", "/owners"),
];

pub async fn run(command: DagsCommand, session: &Session) -> Result<()> {
    match command {
        DagsCommand::Apply { files, dry_run } => apply::run(&files, dry_run, session).await,
        DagsCommand::Validate { files } => validate::run(&files, session).await,
        DagsCommand::List { tags } => list::run(&tags, session).await,
        DagsCommand::Show { dag_id, source } => show::run(&dag_id, source, session).await,
        DagsCommand::State { dag_id, run_id } => state::run(&dag_id, &run_id, session).await,
        DagsCommand::ListRuns { dag_id, states, number } => {
            runs::list(&session.client()?, &dag_id, &states, number, session).await
        }
        DagsCommand::Versions { dag_id } => versions::run(&dag_id, session).await,
        DagsCommand::Diff { dag_id, from, to } => diff::run(&dag_id, from, to, session).await,
        DagsCommand::Trigger(trigger) => trigger::run(&trigger, session).await,
        DagsCommand::Pause { dag_id } => pause::run(&dag_id, true, session).await,
        DagsCommand::Unpause { dag_id } => pause::run(&dag_id, false, session).await,
        DagsCommand::Delete { dag_id, yes } => delete::run(&dag_id, yes, session).await,
        DagsCommand::NextExecution { dag_id, number } => next_execution::run(&dag_id, number, session).await,
        DagsCommand::Test(command) => test::run(&command, session).await,
    }
}

fn path(dag_id: &str) -> String {
    format!("/api/v2/dags/{}", segment(dag_id))
}

/// A document and the id that it names itself.
pub struct Document {
    pub name: String,
    pub text: String,
    pub dag_id: String,
}

/// Reads a DAG document; `-` is standard input.
pub fn read(file: &Path) -> Result<Document> {
    let name = if file == Path::new("-") { "standard input".to_owned() } else { file.display().to_string() };
    let text =
        if file == Path::new("-") { std::io::read_to_string(std::io::stdin()) } else { std::fs::read_to_string(file) }
            .with_context(|| format!("cannot read {name}"))?;
    let document: Value =
        serde_json::from_str(&text).map_err(|error| Failure::new(format!("{name} is not JSON: {error}")))?;
    let Some(dag_id) = document.get("dag_id").and_then(Value::as_str) else {
        return Err(Failure::new(format!("{name} has no `dag_id`"))
            .hint("a DAG document is an object such as {\"dag_id\": \"hello\", \"tasks\": [...]}")
            .into());
    };
    Ok(Document { dag_id: dag_id.to_owned(), name, text })
}
