//! `airlock events`.

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum EventsCommand {
    /// Posts an event: whoever waits for it goes on, or else it is kept for the first task that comes to wait.
    Post(PostEvent),
}

#[derive(Debug, Args)]
pub struct PostEvent {
    /// The name that tasks wait for.
    pub name: String,
    /// What they are given, as JSON.
    #[arg(long)]
    pub payload: Option<String>,
    /// Seconds for which it is kept if nobody waits yet; an hour by default.
    #[arg(long)]
    pub keep_for: Option<u32>,
}
