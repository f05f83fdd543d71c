//! The command line as types. What a command does is in `commands`, under the same name.

mod access;
mod assets;
mod backfill;
mod dags;
mod db;
mod events;
mod jobs;
mod operators;
mod runs;
mod server;
mod settings;
mod tasks;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use access::{Login, TenantsCommand, TokensCommand, UsersCommand};
pub use assets::{AssetsCommand, Which as AssetWhich};
pub use backfill::{BackfillCommand, CreateBackfill};
pub use dags::{DagsCommand, TestDag, TriggerDag};
pub use db::{CleanDb, DbCommand, DropArchived, ExportArchived, Which as CleanWhich, moment};
pub use events::EventsCommand;
pub use jobs::{CheckJobs, JobsCommand};
pub use operators::{OperatorsCommand, TestOperator};
pub use runs::{ClearRun, RunId, RunsCommand};
pub use server::{CompileModule, ServerFlags};
pub use settings::{ConnectionsCommand, PoolsCommand, SetConnection, VariablesCommand};
pub use tasks::{ClearTasks, LocalTask, TaskId, TasksCommand};

use crate::output::Format;

/// Airlock runs workflows whose every task is a sandboxed WebAssembly component.
#[derive(Debug, Parser)]
#[command(name = "airlock", version, max_term_width = 110, after_help = "Start with `airlock standalone`.")]
pub struct Cli {
    #[command(flatten)]
    pub global: GlobalFlags,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Args)]
pub struct GlobalFlags {
    /// The configuration file; by default airlock.toml here, or airlock/config.toml in the user's configuration folder.
    #[arg(long, global = true, value_name = "FILE", env = "AIRLOCK_CONFIG", help_heading = "Global options")]
    pub config: Option<PathBuf>,
    /// How results are written to standard output.
    #[arg(long, short, global = true, value_name = "FORMAT", help_heading = "Global options")]
    pub output: Option<Format>,
    /// The server that client commands speak to.
    #[arg(long, global = true, help_heading = "Global options")]
    pub url: Option<String>,
    /// What is logged, such as `info` or `airlock_worker=debug,info`.
    #[arg(long, global = true, value_name = "FILTER", help_heading = "Global options")]
    pub log: Option<String>,
    /// How log records are written: `text` or `json`.
    #[arg(long, global = true, value_name = "FORMAT", help_heading = "Global options")]
    pub log_format: Option<String>,
}

impl GlobalFlags {
    /// The flags that were given, by the keys of the configuration.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        [
            ("output", self.output.map(|format| format.to_string())),
            ("url", self.url.clone()),
            ("log", self.log.clone()),
            ("log_format", self.log_format.clone()),
        ]
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
        .collect()
    }
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs everything in one process, on SQLite.
    Standalone(ServerFlags),
    /// Serves the HTTP API, on PostgreSQL.
    Api(ServerFlags),
    /// Runs a scheduler, on PostgreSQL; any number may run.
    Scheduler(ServerFlags),
    /// Runs a worker, on PostgreSQL; any number may run.
    Worker(ServerFlags),
    /// Looks after the database.
    #[command(subcommand)]
    Db(DbCommand),

    /// DAGs: send, look up, trigger, try out.
    #[command(subcommand)]
    Dags(DagsCommand),
    /// Runs of DAGs.
    #[command(subcommand)]
    Runs(RunsCommand),
    /// Assets that tasks produce, and their events.
    #[command(subcommand)]
    Assets(AssetsCommand),
    /// Events that deferred tasks wait for.
    #[command(subcommand)]
    Events(EventsCommand),
    /// Backfills: runs of the past.
    #[command(subcommand)]
    Backfill(BackfillCommand),
    /// Tasks, their logs and their XComs.
    #[command(subcommand)]
    Tasks(TasksCommand),
    /// Operators: make, build, try out, upload, look up.
    #[command(subcommand)]
    Operators(OperatorsCommand),
    /// Connections to other systems.
    #[command(subcommand)]
    Connections(ConnectionsCommand),
    /// Variables that tasks read.
    #[command(subcommand)]
    Variables(VariablesCommand),
    /// Pools that bound how much runs at once.
    #[command(subcommand)]
    Pools(PoolsCommand),

    /// Stores a token for a server, in exchange for a user name and a password.
    Login(Login),
    /// Tenants; only administrators of the platform may.
    #[command(subcommand)]
    Tenants(TenantsCommand),
    /// Users of the tenant.
    #[command(subcommand)]
    Users(UsersCommand),
    /// Tokens for programs.
    #[command(subcommand)]
    Tokens(TokensCommand),

    /// The processes that take part.
    #[command(subcommand)]
    Jobs(JobsCommand),
    /// The version of this program, and of the server where one answers.
    Version,
    /// What somebody who helps would ask for first: versions, places, health, and who you are.
    Info,
    /// The configuration, and where each value comes from.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Writes a completion script for a shell.
    Completions { shell: clap_complete::Shell },

    /// Compiles one module from standard input, for the process that started this one.
    #[command(hide = true)]
    CompileModule(CompileModule),
}

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Every setting, its value and its origin.
    #[command(visible_alias = "list")]
    Show,
    /// The value of one setting, and nothing else.
    GetValue { setting: String },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
