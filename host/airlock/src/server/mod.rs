//! The server's roles, put together.

mod alive;
mod clock;
mod db;
mod execution;
mod first_start;
mod listen;
mod monitor;
mod parts;
mod retention;
mod roles;
mod standalone;
mod stop;
mod upload;

use airlock_store_postgres::Channel;
use anyhow::Result;

use crate::client::Client;
use crate::config::Config;
use crate::output;
use execution::Execution;
use listen::Listener;
use monitor::Monitor;
use parts::Parts;
use roles::Roles;

pub use alive::hostname;
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

/// The API, on PostgreSQL. It waits for nobody.
pub async fn api(config: &Config) -> Result<()> {
    let stop = stop::token()?;
    let listener = Listener::bind(config.listen()?).await?;
    let parts = Parts::shared(config, &[], stop.clone()).await?;
    let tenant = first_start::people(&parts).await?;
    let url = listener.url();
    let credentials = first_start::credentials(&parts, config, tenant, &url).await?;
    let monitor = Monitor::start(&parts, config, stop.clone())?;
    monitor.listen(config).await?;
    let execution = Execution::new(&parts, config)?;
    let mut roles = Roles::new(parts, monitor, stop);
    roles.api(&execution, listener, config)?;
    if let Some(folder) = config.operators() {
        upload_folder(&Client::with(&credentials.url, credentials.token)?, &folder).await?;
    }
    serving(&url)?;
    roles.ended().await
}

/// A scheduler, on PostgreSQL.
pub async fn scheduler(config: &Config) -> Result<()> {
    let stop = stop::token()?;
    let parts = Parts::shared(config, &[Channel::Runs, Channel::Reports], stop.clone()).await?;
    let monitor = Monitor::start(&parts, config, stop.clone())?;
    monitor.listen(config).await?;
    let mut roles = Roles::new(parts, monitor, stop);
    roles.scheduler(config)?;
    output::write("scheduling\n")?;
    roles.ended().await
}

/// A worker, on PostgreSQL.
pub async fn worker(config: &Config) -> Result<()> {
    let stop = stop::token()?;
    let parts = Parts::shared(config, &[Channel::Queue, Channel::Callbacks, Channel::Triggers], stop.clone()).await?;
    let monitor = Monitor::start(&parts, config, stop.clone())?;
    monitor.listen(config).await?;
    let execution = Execution::new(&parts, config)?;
    let mut roles = Roles::new(parts, monitor, stop);
    roles.worker(&execution, config)?;
    output::write("working\n")?;
    roles.ended().await
}

/// One line on standard output when the server can be spoken to: what a program that started it waits for.
fn serving(url: &str) -> Result<()> {
    eprintln!("Airlock serves {url}; {url}/docs is a page to try the API on");
    output::write(&format!("{url}\n"))
}
