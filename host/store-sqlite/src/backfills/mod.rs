//! Backfills.

mod create;
mod read;
mod turns;

use airlock_core::id::{RunKey, TenantId};
use airlock_core::state::RunState;
use airlock_store::backfills::{BackfillRow, Backfills, NewBackfill, Opening, SlotRow, Turn};
use airlock_store::{Page, Paged, StoreResult};
use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::dags::load::{ChangedDags, refresh};
use crate::deadlines::follow;
use crate::error::{Failure, Result};
use crate::row::micros;
use crate::{SqliteStore, begin};

#[async_trait]
impl Backfills for SqliteStore {
    async fn create_backfill(&self, new: &NewBackfill<'_>) -> StoreResult<BackfillRow> {
        Ok(create::create(self, new).await?)
    }

    async fn backfill(&self, tenant: TenantId, id: i64) -> StoreResult<Option<BackfillRow>> {
        Ok(read::get(&mut *self.reader().await, tenant, id).await?)
    }

    async fn list_backfills(&self, tenant: TenantId, dag_id: &str, page: &Page) -> StoreResult<Paged<BackfillRow>> {
        Ok(read::list(self, tenant, dag_id, page).await?)
    }

    async fn list_backfill_slots(&self, tenant: TenantId, id: i64, page: &Page) -> StoreResult<Paged<SlotRow>> {
        Ok(read::slots(self, tenant, id, page).await?)
    }

    async fn set_backfill_paused(
        &self,
        tenant: TenantId,
        id: i64,
        paused: bool,
        now: DateTime<Utc>,
    ) -> StoreResult<bool> {
        let update = sqlx::query(
            "UPDATE backfills SET is_paused = ?3, updated_at = CASE is_paused WHEN ?3 THEN updated_at ELSE ?4 END
             WHERE tenant_id = ?1 AND backfill_id = ?2 AND completed_at IS NULL",
        )
        .bind(tenant.0)
        .bind(id)
        .bind(paused)
        .bind(micros(now));
        let done = update.execute(&mut *self.writer().await).await.map_err(Failure::from)?;
        Ok(done.rows_affected() > 0)
    }

    async fn cancel_backfill(&self, tenant: TenantId, id: i64, now: DateTime<Utc>) -> StoreResult<bool> {
        Ok(cancel(self, tenant, id, now).await?)
    }

    async fn backfill_turns(&self, limit: u32) -> StoreResult<Vec<Turn>> {
        Ok(turns::turns(self, limit).await?)
    }

    async fn open_slot(&self, turn: &Turn, opening: &Opening<'_>, now: DateTime<Utc>) -> StoreResult<bool> {
        Ok(turns::open(self, turn, opening, now).await?)
    }

    async fn complete_backfills(&self, now: DateTime<Utc>) -> StoreResult<u64> {
        let update = sqlx::query(
            "UPDATE backfills SET completed_at = ?1, updated_at = ?1
             WHERE completed_at IS NULL AND next_slot IS NULL AND unfinished_runs = 0",
        )
        .bind(micros(now));
        let done = update.execute(&mut *self.writer().await).await.map_err(Failure::from)?;
        Ok(done.rows_affected())
    }
}

async fn cancel(store: &SqliteStore, tenant: TenantId, id: i64, now: DateTime<Utc>) -> Result<bool> {
    let mut writer = store.writer().await;
    let mut transaction = begin(&mut writer).await?;
    let dag_id: Option<String> = sqlx::query_scalar(
        "UPDATE backfills SET is_paused = 1, next_slot = NULL, completed_at = ?3, updated_at = ?3
         WHERE tenant_id = ?1 AND backfill_id = ?2 AND completed_at IS NULL RETURNING dag_id",
    )
    .bind(tenant.0)
    .bind(id)
    .bind(micros(now))
    .fetch_optional(&mut *transaction)
    .await?;
    let Some(dag_id) = dag_id else { return Ok(false) };
    let ended: Vec<i64> = sqlx::query_scalar(
        "UPDATE dag_runs SET state = 'failed', ended_at = ?3, updated_at = ?3, epoch = epoch + 1
         WHERE tenant_id = ?1 AND run_key IN (
             SELECT run_key FROM active_runs WHERE tenant_id = ?1 AND backfill_id = ?2 AND state = 'queued')
         RETURNING run_key",
    )
    .bind(tenant.0)
    .bind(id)
    .bind(micros(now))
    .fetch_all(&mut *transaction)
    .await?;
    let ended = ended.into_iter().map(|id| (RunKey { tenant, id }, RunState::Failed));
    follow(&mut transaction, &ended.collect::<Vec<_>>()).await?;
    sqlx::query("DELETE FROM active_runs WHERE tenant_id = ?1 AND backfill_id = ?2 AND state = 'queued'")
        .bind(tenant.0)
        .bind(id)
        .execute(&mut *transaction)
        .await?;
    // What still runs is a run like any other from now on.
    sqlx::query(
        "UPDATE active_runs SET backfill_id = NULL, backfill_ordinal = NULL WHERE tenant_id = ?1 AND backfill_id = ?2",
    )
    .bind(tenant.0)
    .bind(id)
    .execute(&mut *transaction)
    .await?;
    refresh(&mut transaction, &ChangedDags::from([(tenant.0, dag_id)])).await?;
    transaction.commit().await?;
    Ok(true)
}
