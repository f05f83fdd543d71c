//! `airlock tasks`.

use clap::{Args, Subcommand};

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
    List { dag_id: String, run_id: Option<String> },
    /// A task's state in a run.
    State(TaskId),
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
