//! Results on standard output, in the format that was asked for. Words for people go to standard error.

mod table;
pub mod tree;

use std::io::Write;

use anyhow::Result;
use clap::ValueEnum;
use serde_json::Value;

pub use table::Column;

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Aligned columns with a head, for people.
    Table,
    /// As the server sent it.
    Json,
    Yaml,
    /// One line each, columns separated by tabs, without a head: for `cut` and `awk`.
    Plain,
}

impl std::fmt::Display for Format {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.to_possible_value().map_or(Ok(()), |value| formatter.write_str(value.get_name()))
    }
}

impl std::str::FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        ValueEnum::from_str(text, false)
    }
}

/// Writes a list: these columns of each row, or the rows themselves.
pub fn rows(format: Format, columns: &[Column], rows: &[Value]) -> Result<()> {
    match format {
        Format::Table => write(&table::aligned(columns, rows)),
        Format::Plain => write(&table::separated(columns, rows)),
        Format::Json => write(&format!("{}\n", serde_json::to_string_pretty(rows)?)),
        Format::Yaml => write(&serde_yaml_ng::to_string(rows)?),
    }
}

/// Rows as people read them, for words on standard error.
pub fn table(columns: &[Column], rows: &[Value]) -> String {
    table::aligned(columns, rows)
}

/// Writes one thing: these members one below the other, or the thing itself.
pub fn record(format: Format, columns: &[Column], value: &Value) -> Result<()> {
    match format {
        Format::Table => write(&table::stacked(columns, value)),
        Format::Plain => write(&table::separated(columns, std::slice::from_ref(value))),
        Format::Json => write(&format!("{}\n", serde_json::to_string_pretty(value)?)),
        Format::Yaml => write(&serde_yaml_ng::to_string(value)?),
    }
}

/// Writes text as it is. A reader that went away (`| head`) ends the program without a complaint.
pub fn write(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        result => Ok(result?),
    }
}
