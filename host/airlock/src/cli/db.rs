//! `airlock db`.

use std::path::PathBuf;

use airlock_core::retention::CleanTable;
use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use clap::{Args, Subcommand};

use super::ServerFlags;

#[derive(Debug, Subcommand)]
pub enum DbCommand {
    /// Brings the database to the shape that this program needs.
    Migrate(ServerFlags),
    /// Says whether the database can be reached and has that shape.
    Check(ServerFlags),
    /// Seals every secret with a new key. Servers that run have to be started again.
    RotateKey(ServerFlags),
    /// Removes old records, in small steps while servers run; what is still needed stays.
    Clean(CleanDb),
    /// Writes what was archived to files, one JSON object a line.
    ExportArchived(ExportArchived),
    /// Removes what was archived.
    DropArchived(DropArchived),
}

impl DbCommand {
    pub fn server(&self) -> &ServerFlags {
        match self {
            Self::Migrate(server) | Self::Check(server) | Self::RotateKey(server) => server,
            Self::Clean(clean) => &clean.server,
            Self::ExportArchived(export) => &export.server,
            Self::DropArchived(drop) => &drop.server,
        }
    }
}

#[derive(Debug, Args)]
pub struct CleanDb {
    /// What is older goes; runs by their end. Such as 2026-01-31 or 2026-01-31T06:00:00Z; without a zone it is UTC.
    #[arg(long, value_name = "TIMESTAMP", value_parser = moment)]
    pub clean_before_timestamp: DateTime<Utc>,
    #[command(flatten)]
    pub which: Which,
    /// Only these DAGs.
    #[arg(long, value_name = "DAG,DAG", value_delimiter = ',')]
    pub dag_ids: Vec<String>,
    /// All but these DAGs.
    #[arg(long, value_name = "DAG,DAG", value_delimiter = ',')]
    pub exclude_dag_ids: Vec<String>,
    /// Removes for good, instead of moving to the archive.
    #[arg(long)]
    pub skip_archive: bool,
    /// Only counts what would go.
    #[arg(long)]
    pub dry_run: bool,
    /// How many rows go in one transaction. A run goes whole, with its task instances.
    #[arg(long, value_name = "ROWS", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub batch_size: u32,
    /// Tells of every step.
    #[arg(long, short)]
    pub verbose: bool,
    /// Does not ask for a confirmation.
    #[arg(long, short)]
    pub yes: bool,
    #[command(flatten)]
    pub server: ServerFlags,
}

/// Which records.
#[derive(Debug, Args)]
pub struct Which {
    /// What is cleaned; everything, if it is not given.
    #[arg(long, short, value_name = "TABLE,TABLE", value_delimiter = ',', value_parser = table)]
    pub tables: Vec<CleanTable>,
    /// Only of this tenant.
    #[arg(long, value_name = "NAME")]
    pub tenant: Option<String>,
}

impl Which {
    /// In the order in which they are to go.
    pub fn tables(&self) -> Vec<CleanTable> {
        let wanted = |table: &CleanTable| self.tables.is_empty() || self.tables.contains(table);
        CleanTable::ALL.iter().copied().filter(wanted).collect()
    }
}

#[derive(Debug, Args)]
pub struct ExportArchived {
    /// The folder for the files, TENANT.TABLE.jsonl each; files that are there are not written over.
    #[arg(long, value_name = "FOLDER")]
    pub output_path: PathBuf,
    #[command(flatten)]
    pub which: Which,
    /// Removes from the archive what has been written.
    #[arg(long)]
    pub drop_archives: bool,
    /// Does not ask for a confirmation.
    #[arg(long, short)]
    pub yes: bool,
    #[command(flatten)]
    pub server: ServerFlags,
}

#[derive(Debug, Args)]
pub struct DropArchived {
    #[command(flatten)]
    pub which: Which,
    /// Does not ask for a confirmation.
    #[arg(long, short)]
    pub yes: bool,
    #[command(flatten)]
    pub server: ServerFlags,
}

/// An RFC 3339 instant, or the same in UTC without zone or without a time of day.
pub fn moment(text: &str) -> Result<DateTime<Utc>, String> {
    let date = || text.parse::<NaiveDate>().ok()?.and_hms_opt(0, 0, 0).map(|midnight| midnight.and_utc());
    let local = || text.replacen(' ', "T", 1).parse::<NaiveDateTime>().ok().map(|time| time.and_utc());
    let instant = text.parse().ok().or_else(local).or_else(date);
    instant.ok_or_else(|| "2026-01-31 or 2026-01-31T06:00:00Z would be right".to_owned())
}

fn table(text: &str) -> Result<CleanTable, String> {
    match text {
        "task_instance" => Err("task instances go with their runs: `dag_run`".to_owned()),
        _ => text.parse().map_err(|error: airlock_core::state::UnknownName| error.to_string()),
    }
}
