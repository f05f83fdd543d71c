//! Log records on standard error.

use std::io::IsTerminal;

use anyhow::Result;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

use crate::config::Config;
use crate::failure::Failure;

/// Servers log as configured. A client command says its own words; of the log, only warnings are for its user, unless a
/// filter was set.
pub fn start(config: &Config, server: bool) -> Result<()> {
    let wanted = if server || config.log_is_set() { config.log() } else { "warn" };
    let filter = EnvFilter::try_new(wanted).map_err(|error| {
        Failure::usage(format!("the setting `log` is `{wanted}`: {error}"))
            .hint("such as `info` or `airlock_worker=debug,info`")
    })?;
    let records = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if config.logs_are_json() {
        records.json().init();
    } else {
        records.with_ansi(std::io::stderr().is_terminal()).init();
    }
    Ok(())
}
