//! `airlock tasks`.

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};

use super::TestDag;

#[derive(Debug, Args)]
pub struct TaskId {
    pub dag_id: String,
    pub run_id: String,
    pub task_id: String,
    /// -1 for a task that is not mapped.
    #[arg(long, default_value_t = -1, allow_negative_numbers = true)]
    pub map_index: i32,
}

#[derive(Debug, Subcommand)]
pub enum TasksCommand {
    /// The tasks of a DAG, or of one run with their states.
    #[command(visible_alias = "states-for-dag-run")]
    List { dag_id: String, run_id: Option<String> },
    /// A task's state in a run.
    State(TaskId),
    /// Why a task does not run: every condition that is not met.
    #[command(visible_alias = "failed-deps")]
    Why(TaskId),
    /// Lets tasks run again, after it has shown which and asked.
    Clear(ClearTasks),
    /// What a task wrote and what the host says of it.
    Logs {
        #[command(flatten)]
        task: TaskId,
        /// Which try; the newest by default.
        #[arg(long = "try", value_name = "NUMBER")]
        try_number: Option<u32>,
        /// Goes on as the log grows, until the try ends.
        #[arg(long, short)]
        follow: bool,
    },
    /// Runs one task of a DAG document in the sandbox of this program, without a server and whatever its upstream tasks say.
    Test(LocalTask),
    /// Shows a task's arguments with their templates rendered, without a server and without running it.
    Render(LocalTask),
    /// Every try of a task in a run.
    Tries(TaskId),
    /// The XComs of a task in a run; with a key, its value alone.
    Xcom {
        #[command(flatten)]
        task: TaskId,
        #[arg(long)]
        key: Option<String>,
    },
}

/// A task of a DAG document on this machine.
#[derive(Clone, Debug, Args)]
pub struct LocalTask {
    #[command(flatten)]
    pub dag: TestDag,
    /// The task, by its id.
    pub task_id: String,
}

#[derive(Debug, Args)]
pub struct ClearTasks {
    pub dag_id: String,
    /// In this run; by default in all runs between the dates.
    #[arg(long, value_name = "RUN_ID", conflicts_with_all = ["start_date", "end_date"])]
    pub run: Option<String>,
    /// Only this task; may be given several times.
    #[arg(long = "task", value_name = "TASK_ID")]
    pub tasks: Vec<String>,
    /// Only tasks whose ids this regular expression fits.
    #[arg(long, short, value_name = "REGEX", conflicts_with = "tasks")]
    pub task_regex: Option<String>,
    /// Only runs whose logical date is not before this.
    #[arg(long, short, value_name = "RFC 3339")]
    pub start_date: Option<DateTime<Utc>>,
    /// Only runs whose logical date is not after this.
    #[arg(long, short, value_name = "RFC 3339")]
    pub end_date: Option<DateTime<Utc>>,
    /// Also what is upstream of the tasks.
    #[arg(long, short)]
    pub upstream: bool,
    /// Also what is downstream of the tasks.
    #[arg(long, short)]
    pub downstream: bool,
    /// Also in the runs before --run.
    #[arg(long, requires = "run")]
    pub past: bool,
    /// Also in the runs after --run.
    #[arg(long, requires = "run")]
    pub future: bool,
    /// Only what has failed.
    #[arg(long, short = 'f')]
    pub only_failed: bool,
    /// Only what runs.
    #[arg(long, short = 'r')]
    pub only_running: bool,
    /// The runs go on with the newest version of the DAG.
    #[arg(long)]
    pub latest_version: bool,
    /// Only shows what would be cleared.
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask.
    #[arg(long, short)]
    pub yes: bool,
}
