//! Old records and their logs go: on request, and by what tenants' policies say.

use std::time::Duration;

use airlock_blobs::{BlobError, Blobs, LogKey};
use airlock_core::id::TenantId;
use airlock_core::retention::CleanTable;
use airlock_store::retention::{CleanFilter, CleanStep, Cleaned};
use airlock_store::{Store, StoreResult};
use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use super::parts::Parts;

/// Rows that one transaction removes where nobody says otherwise.
const BATCH: u32 = 1_000;

/// What one table of one tenant is cleaned by.
#[derive(Clone, Debug)]
pub struct Clean<'a> {
    pub tenant: TenantId,
    pub table: CleanTable,
    pub filter: &'a CleanFilter,
    /// Rows of one transaction, at most.
    pub batch: u32,
    /// Keeps what goes in the archive, as of this moment.
    pub archive_at: Option<DateTime<Utc>>,
}

impl Clean<'_> {
    /// Removes everything that may go, step by step; `told` hears of each. Answers how many rows went.
    pub async fn run(&self, store: &dyn Store, blobs: &Blobs, mut told: impl FnMut(&Cleaned)) -> StoreResult<u64> {
        let mut step = CleanStep { from: 0, limit: self.batch, archive_at: self.archive_at };
        let mut rows = 0;
        loop {
            let cleaned = store.clean_step(self.tenant, self.table, self.filter, &step).await?;
            rows += cleaned.rows;
            told(&cleaned);
            let next = cleaned.next;
            // The records are gone: what is left of their logs is nobody's to see, and no reason to stop.
            if let Err(error) = remove_logs(blobs, &cleaned).await {
                tracing::warn!(%error, "logs of removed tries are left behind");
            }
            match next {
                Some(next) => step.from = next,
                None => return Ok(rows),
            }
        }
    }
}

async fn remove_logs(blobs: &Blobs, cleaned: &Cleaned) -> Result<(), BlobError> {
    for run in &cleaned.runs {
        blobs.remove_run_logs(*run).await?;
    }
    for (run, instance, try_number) in &cleaned.tries {
        blobs.remove_log(&LogKey { run: *run, instance: *instance, try_number: *try_number }).await?;
    }
    Ok(())
}

/// Applies what tenants' policies say of retention, from time to time until `stop`. Any number of processes may do so at once.
pub async fn keep(parts: Parts, every: Duration, stop: CancellationToken) {
    loop {
        let pass = stop.run_until_cancelled(pass(&parts));
        if let Some(Err(error)) = pass.await {
            tracing::warn!(%error, "old records could not be removed; it is tried again in {} seconds", every.as_secs());
        }
        if stop.run_until_cancelled(tokio::time::sleep(every)).await.is_none() {
            return;
        }
    }
}

async fn pass(parts: &Parts) -> StoreResult<()> {
    for tenant in parts.store.list_tenants().await? {
        let now = parts.now();
        let retention = tenant.policy.retention;
        for (table, before) in retention.due(now) {
            let filter = CleanFilter::before(before);
            let archive_at = retention.archive.then_some(now);
            let clean = Clean { tenant: tenant.id, table, filter: &filter, batch: BATCH, archive_at };
            let rows = clean.run(&*parts.store, &parts.blobs, |_| {}).await?;
            if rows > 0 {
                tracing::info!(tenant.name = %tenant.name, "{rows} old rows of `{table}` of the tenant {} are gone", tenant.name);
            }
        }
    }
    Ok(())
}
