//! Signs of life, and what nobody needs any more.

use airlock_store::StoreResult;
use airlock_store::health::ProcessRow;
use chrono::{DateTime, Utc};

use crate::scheduler::{Scheduler, delta};

impl Scheduler {
    pub(crate) async fn keep_house(&mut self, now: DateTime<Utc>) -> StoreResult<()> {
        if now >= self.next_heartbeat {
            self.next_heartbeat = now + delta(self.options.heartbeat_interval);
            self.store.process_heartbeat(&self.process(now, None)).await?;
            self.metrics.heartbeat.increment(1);
        }
        if now >= self.next_housekeeping {
            self.next_housekeeping = now + delta(self.options.housekeeping_interval);
            self.store.forget_processes(now - delta(self.options.forget_processes_after)).await?;
            self.store.delete_expired_tokens(now).await?;
            self.store.forget_events(now).await?;
            self.unclaimed_reports.clear();
        }
        Ok(())
    }

    pub(crate) async fn say_goodbye(&self) {
        let now = self.now();
        if let Err(error) = self.store.process_heartbeat(&self.process(now, Some(now))).await {
            tracing::warn!(scheduler.id = %self.id, "the end of this scheduler is not recorded: {error}");
        }
    }

    fn process(&self, now: DateTime<Utc>, stopped_at: Option<DateTime<Utc>>) -> ProcessRow {
        ProcessRow {
            id: self.id,
            role: "scheduler".to_owned(),
            hostname: self.options.hostname.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            queues: Vec::new(),
            slots: None,
            started_at: self.started_at,
            heartbeat_at: now,
            stopped_at,
        }
    }
}
