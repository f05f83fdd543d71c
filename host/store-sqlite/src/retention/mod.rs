//! Records that are old enough go, or move to the archive.

mod archive;
mod removable;
mod rows;
mod runs;

use airlock_core::id::TenantId;
use airlock_core::retention::CleanTable;
use airlock_store::StoreResult;
use airlock_store::retention::{ArchivedRow, CleanFilter, CleanStep, Cleaned, Retention};
use async_trait::async_trait;
use serde_json::Value;

use self::removable::{asset_events, backfills, dispensable, log, of_dags, runs, tries, versions, xcoms};
use crate::SqliteStore;
use crate::error::Failure;
use crate::row::micros;

#[async_trait]
impl Retention for SqliteStore {
    async fn count_removable(&self, tenant: TenantId, table: CleanTable, filter: &CleanFilter) -> StoreResult<u64> {
        let statement = match table {
            CleanTable::DagRun => concat!("SELECT count(*) ", runs!()),
            CleanTable::TaskInstanceHistory => concat!("SELECT count(*) ", tries!()),
            CleanTable::XCom => concat!("SELECT count(*) ", xcoms!()),
            CleanTable::Backfill => concat!("SELECT count(*) ", backfills!()),
            CleanTable::AssetEvent => concat!("SELECT count(*) ", asset_events!()),
            CleanTable::DagVersion => concat!("SELECT count(*) ", versions!()),
            CleanTable::Log => concat!("SELECT count(*) ", log!()),
        };
        let count: i64 = sqlx::query_scalar(statement)
            .bind(tenant.0)
            .bind(micros(filter.before))
            .bind(array(&filter.dag_ids))
            .bind(array(&filter.excluded_dag_ids))
            .fetch_one(&mut *self.reader().await)
            .await
            .map_err(Failure::from)?;
        Ok(count.unsigned_abs())
    }

    async fn clean_step(
        &self,
        tenant: TenantId,
        table: CleanTable,
        filter: &CleanFilter,
        step: &CleanStep,
    ) -> StoreResult<Cleaned> {
        let removal = match table {
            CleanTable::DagRun => return Ok(runs::remove(self, tenant, filter, step).await?),
            CleanTable::TaskInstanceHistory => &rows::TRIES,
            CleanTable::XCom => &rows::XCOMS,
            CleanTable::Backfill => &rows::BACKFILLS,
            CleanTable::AssetEvent => &rows::ASSET_EVENTS,
            CleanTable::DagVersion => &rows::VERSIONS,
            CleanTable::Log => &rows::LOG,
        };
        Ok(rows::remove(self, removal, tenant, filter, step).await?)
    }

    async fn count_archived(&self, tenant: TenantId) -> StoreResult<Vec<(CleanTable, u64)>> {
        Ok(archive::count(self, tenant).await?)
    }

    async fn list_archived(
        &self,
        tenant: TenantId,
        tables: &[CleanTable],
        after: i64,
        limit: u32,
    ) -> StoreResult<Vec<ArchivedRow>> {
        Ok(archive::list(self, tenant, tables, after, limit).await?)
    }

    async fn drop_archived(&self, tenant: TenantId, tables: &[CleanTable], up_to: i64, limit: u32) -> StoreResult<u64> {
        Ok(archive::drop(self, tenant, tables, up_to, limit).await?)
    }
}

/// Texts as an argument.
fn array<T: AsRef<str>>(texts: &[T]) -> String {
    texts.iter().map(|text| Value::from(text.as_ref())).collect::<Value>().to_string()
}

/// Names of tables as an argument.
fn names(tables: &[CleanTable]) -> String {
    array(&tables.iter().map(|table| table.as_str()).collect::<Vec<_>>())
}
