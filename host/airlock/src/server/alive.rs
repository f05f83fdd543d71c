//! Signs of life, for `/monitor/health` and for whoever asks which processes there are.

use std::time::Duration;

use airlock_store::health::ProcessRow;
use airlock_telemetry::Pulse;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::parts::Parts;

const EVERY: Duration = Duration::from_secs(5);

/// Who tells.
pub struct About {
    pub id: Uuid,
    pub role: &'static str,
    /// Of a worker.
    pub queues: Vec<String>,
    /// Of a worker.
    pub slots: Option<u32>,
}

/// Says that a role is alive (and, of a worker, which queues it takes from), until `stop`; then that it stopped.
pub async fn tell(parts: Parts, about: About, pulse: Pulse, stop: CancellationToken) {
    let About { id, role, queues, slots } = about;
    let started_at = parts.now();
    let mut row = ProcessRow {
        id,
        role: role.to_owned(),
        hostname: hostname(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        queues,
        slots,
        started_at,
        heartbeat_at: started_at,
        stopped_at: None,
    };
    loop {
        if say(&parts, &row).await {
            pulse.succeeded();
        } else {
            pulse.failed();
        }
        if pulse.rest(stop.run_until_cancelled(tokio::time::sleep(EVERY))).await.is_none() {
            break;
        }
        row.heartbeat_at = parts.now();
    }
    row.stopped_at = Some(parts.now());
    say(&parts, &row).await;
}

/// Answers whether the database was there for it.
async fn say(parts: &Parts, row: &ProcessRow) -> bool {
    let said = parts.store.process_heartbeat(row).await;
    if let Err(error) = &said {
        tracing::warn!(%error, "cannot tell the database that this {} is alive", row.role);
    }
    said.is_ok()
}

/// The name of this machine, as people know it.
pub fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(|| std::env::var("HOSTNAME").ok());
    name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).unwrap_or_else(|| "localhost".to_owned())
}
