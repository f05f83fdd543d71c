//! When to stop: SIGTERM or SIGINT. A second signal ends the process at once.

use anyhow::{Context, Result};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Cancelled by the first signal.
pub fn token() -> Result<CancellationToken> {
    let token = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let stop = token.clone();
    tokio::spawn(async move {
        for signals in 1.. {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if signals > 1 {
                tracing::warn!("stopping at once: running tries will be found lost");
                std::process::exit(1);
            }
            tracing::info!("stopping: no new tries are begun, and running ones may end; a second signal stops at once");
            stop.cancel();
        }
    });
    Ok(token)
}
