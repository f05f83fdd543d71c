//! Callbacks that are due.

mod attempts;
mod claim;
mod read;
mod write;

use airlock_core::id::RunKey;
use airlock_store::callbacks::{CallbackReport, CallbackRow, Callbacks, ClaimedCallback, ExpiredCallbacks};
use airlock_store::{Page, Paged, StoreResult};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use uuid::Uuid;

pub use write::{insert, insert_json};

use crate::SqliteStore;
use crate::queue::Claim;

#[async_trait]
impl Callbacks for SqliteStore {
    async fn claim_callbacks(
        &self,
        worker: Uuid,
        hostname: &str,
        queues: &[String],
        limit: u32,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> StoreResult<Vec<ClaimedCallback>> {
        Ok(claim::claim(self, &Claim { worker, hostname, queues, limit, now, until }).await?)
    }

    async fn heartbeat_callbacks(&self, worker: Uuid, tokens: &[Uuid], until: DateTime<Utc>) -> StoreResult<Vec<Uuid>> {
        Ok(attempts::heartbeat(self, worker, tokens, until).await?)
    }

    async fn report_callback(&self, report: &CallbackReport) -> StoreResult<bool> {
        Ok(attempts::report(self, report).await?)
    }

    async fn expire_callbacks(
        &self,
        now: DateTime<Utc>,
        queued_before: DateTime<Utc>,
    ) -> StoreResult<ExpiredCallbacks> {
        Ok(attempts::expire(self, now, queued_before).await?)
    }

    async fn list_callbacks(&self, run: RunKey, page: &Page) -> StoreResult<Paged<CallbackRow>> {
        Ok(read::list(self, run, page).await?)
    }

    async fn callback(&self, run: RunKey, id: Uuid) -> StoreResult<Option<CallbackRow>> {
        Ok(read::get(self, run, id).await?)
    }
}
