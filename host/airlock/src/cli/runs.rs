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
    /// What was called because of what happened in a run: callbacks of its tasks and its own, and missed deadlines.
    Callbacks {
        #[command(flatten)]
        run: RunId,
        /// Their logs.
        #[arg(long)]
        logs: bool,
    },
    /// Ends a run: its tasks are stopped, and it has failed.
    Cancel(RunId),
    /// Lets all tasks of a run run again.
    Clear(ClearRun),
    /// Removes a run with its tasks and logs.
    Delete(RunId),
}

#[derive(Debug, Args)]
pub struct ClearRun {
    #[command(flatten)]
    pub run: RunId,
    /// Only tasks that have failed.
    #[arg(long, short = 'f', conflicts_with = "only_new")]
    pub only_failed: bool,
    /// Only adds the tasks that the newest version of the DAG has and the run has not.
    #[arg(long)]
    pub only_new: bool,
    /// The run goes on with the newest version of the DAG.
    #[arg(long)]
    pub latest_version: bool,
    /// Only shows what would be cleared.
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask.
    #[arg(long, short)]
    pub yes: bool,
}
