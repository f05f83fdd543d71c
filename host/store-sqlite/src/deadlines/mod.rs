//! Deadlines of runs.

mod alerts;
mod miss;
mod read;
mod set;

use airlock_core::id::TenantId;
use airlock_store::callbacks::NewCallback;
use airlock_store::deadlines::{DeadlineAlertRow, DeadlineFilter, DeadlineRow, Deadlines};
use airlock_store::{Page, Paged, StoreResult};
use async_trait::async_trait;
use chrono::{DateTime, Utc};

pub use alerts::write as write_alerts;
pub use set::{follow, set};

use crate::SqliteStore;

#[async_trait]
impl Deadlines for SqliteStore {
    async fn overdue_deadlines(&self, now: DateTime<Utc>, limit: u32) -> StoreResult<Vec<DeadlineRow>> {
        Ok(miss::overdue(self, now, limit).await?)
    }

    async fn miss_deadline(
        &self,
        deadline: &DeadlineRow,
        callback: &NewCallback,
        now: DateTime<Utc>,
    ) -> StoreResult<bool> {
        Ok(miss::miss(self, deadline, callback, now).await?)
    }

    async fn list_deadlines(
        &self,
        tenant: TenantId,
        filter: &DeadlineFilter,
        page: &Page,
    ) -> StoreResult<Paged<DeadlineRow>> {
        Ok(read::list(self, tenant, filter, page).await?)
    }

    async fn list_deadline_alerts(
        &self,
        tenant: TenantId,
        dag_id: &str,
        version: u32,
        page: &Page,
    ) -> StoreResult<Paged<DeadlineAlertRow>> {
        Ok(alerts::list(self, tenant, dag_id, version, page).await?)
    }
}
