//! `airlock runs`.

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub struct RunId {
    pub dag_id: String,
    pub run_id: String,
}

#[derive(Debug, Subcommand)]
pub enum RunsCommand {
    /// Runs of a DAG, the newest first.
    List {
        /// `~` for all DAGs.
        dag_id: String,
        #[arg(long, short, default_value_t = 25)]
        number: u32,
    },
    /// One run.
    Show(RunId),
    /// Shows a run and its tasks until it ends; exit 1 unless it succeeds.
    Watch(RunId),
    /// Ends a run: its tasks are stopped, and it has failed.
    Cancel(RunId),
    /// Removes a run with its tasks and logs.
    Delete(RunId),
}
