//! `airlock backfill`.

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand, ValueEnum};

use super::moment;

#[derive(Debug, Subcommand)]
pub enum BackfillCommand {
    /// Makes the runs that the DAG's schedule has in a span of the past, or makes them anew.
    Create(CreateBackfill),
    /// The backfills of a DAG.
    List {
        #[arg(long)]
        dag_id: String,
    },
    /// Keeps a backfill from starting runs.
    Pause { backfill_id: u64 },
    /// Lets a backfill start runs again.
    Unpause { backfill_id: u64 },
    /// Ends a backfill: its queued runs have failed, what runs goes on.
    Cancel { backfill_id: u64 },
}

#[derive(Debug, Args)]
pub struct CreateBackfill {
    #[arg(long)]
    pub dag_id: String,
    /// The earliest start of a data interval, such as 2026-01-31 or 2026-01-31T06:00:00Z.
    #[arg(long, value_name = "DATE", value_parser = moment)]
    pub from_date: DateTime<Utc>,
    /// The latest start of a data interval.
    #[arg(long, value_name = "DATE", value_parser = moment)]
    pub to_date: DateTime<Utc>,
    /// The configuration of every run, a JSON object.
    #[arg(long, value_name = "JSON")]
    pub dag_run_conf: Option<String>,
    /// The latest run first. Not where tasks depend on the past.
    #[arg(long)]
    pub run_backwards: bool,
    /// How many of its runs may be active at once, instead of the DAG's own limit.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_active_runs: Option<u32>,
    /// Which runs that exist already are made anew.
    #[arg(long, default_value = "none")]
    pub reprocess_behavior: Reprocess,
    /// Makes runs anew as runs of the newest version of the DAG, which is the default.
    #[arg(long, overrides_with = "no_run_on_latest_version")]
    pub run_on_latest_version: bool,
    /// Makes runs anew as runs of the version that they had.
    #[arg(long)]
    pub no_run_on_latest_version: bool,
    /// Only lists what would run.
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Reprocess {
    None,
    Completed,
    Failed,
}
