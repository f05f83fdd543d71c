//! `airlock assets`.

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum AssetsCommand {
    /// Assets that DAGs produce, use or follow.
    List,
    /// Events of an asset, the newest first; without an asset, of all.
    Events {
        #[command(flatten)]
        asset: Which,
        #[arg(long, short, default_value_t = 25)]
        number: u32,
    },
    /// Produces an asset, by a run of the one DAG that does.
    Materialize {
        #[command(flatten)]
        asset: Which,
    },
}

/// An asset by its name, its URI, or both.
#[derive(Debug, Args)]
pub struct Which {
    #[arg(long)]
    pub name: Option<String>,
    #[arg(long)]
    pub uri: Option<String>,
}
