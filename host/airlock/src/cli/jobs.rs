//! `airlock jobs`.

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum JobsCommand {
    /// The processes that take part, and when they were last heard of.
    List {
        /// Only those that run.
        #[arg(long)]
        alive: bool,
    },
    /// Exit 0 if a process is alive, 1 if none is: for health checks.
    Check(CheckJobs),
}

#[derive(Debug, Args)]
pub struct CheckJobs {
    /// Only of this type: `SchedulerJob`, `WorkerJob` or `ApiJob`.
    #[arg(long)]
    pub job_type: Option<String>,
    /// Only on this machine.
    #[arg(long)]
    pub hostname: Option<String>,
    /// More than one may be alive.
    #[arg(long)]
    pub allow_multiple: bool,
}
