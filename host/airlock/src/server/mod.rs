//! The server's roles, put together.

mod alive;
mod db;
mod execution;
mod first_start;
mod listen;
mod parts;
mod roles;
mod standalone;
mod stop;
mod upload;

use anyhow::Result;

use crate::config::Config;
use crate::output;

pub use db::run as db;
pub use standalone::Standalone;
pub use upload::{folder as upload_folder, module as upload};

/// Every role in one process, on SQLite.
pub async fn standalone(config: &Config) -> Result<()> {
    let stop = stop::token()?;
    let standalone = Standalone::start(config, stop).await?;
    serving(standalone.url())?;
    standalone.ended().await
}

/// One line on standard output when the server can be spoken to: what a program that started it waits for.
fn serving(url: &str) -> Result<()> {
    eprintln!("Airlock serves {url}; {url}/docs is a page to try the API on");
    output::write(&format!("{url}\n"))
}
