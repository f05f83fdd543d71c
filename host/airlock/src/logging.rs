//! Log records on standard error, and spans to where traces go.

use std::io::IsTerminal;

use anyhow::Result;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

use crate::config::Config;
use crate::failure::Failure;
use crate::traces::Traces;

/// Servers log as configured. A client command says its own words; of the log, only warnings are for its user, unless a
/// filter was set.
pub fn start(config: &Config, server: bool, traces: Option<&Traces>) -> Result<()> {
    let wanted = if server || config.log_is_set() { config.log() } else { "warn" };
    let filter = EnvFilter::try_new(wanted).map_err(|error| {
        Failure::usage(format!("the setting `log` is `{wanted}`: {error}"))
            .hint("such as `info` or `airlock_worker=debug,info`")
    })?;
    let records = fmt::layer().with_writer(std::io::stderr);
    let records: Box<dyn Layer<Registry> + Send + Sync> = if config.logs_are_json() {
        records.json().with_filter(filter).boxed()
    } else {
        records.with_ansi(std::io::stderr().is_terminal()).with_filter(filter).boxed()
    };
    // Each has a filter of its own: what is traced is not logged. Without traces, their spans are disabled at the source.
    tracing_subscriber::registry().with(records).with(traces.map(|traces| traces.layer())).init();
    Ok(())
}
