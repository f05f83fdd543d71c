//! What deferred tasks wait for.

mod batch;
mod events;
mod looks;

pub use batch::apply_waits;
pub(crate) use batch::topics_of_run;

use airlock_core::id::{RunKey, TenantId};
use airlock_store::StoreResult;
use airlock_store::support::batch::instance_names;
use airlock_store::triggers::{ClaimedTrigger, EndedTrigger, LastLook, Look, Posted, TriggerRow, Triggers};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use crate::SqliteStore;
use crate::error::Result;
use crate::row::Columns;

#[async_trait]
impl Triggers for SqliteStore {
    async fn claim_triggers(
        &self,
        limit: u32,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> StoreResult<Vec<ClaimedTrigger>> {
        Ok(looks::claim(self, limit, now, until).await?)
    }
    async fn conclude_look(&self, look: &Look) -> StoreResult<bool> {
        Ok(looks::conclude(self, look).await?)
    }
    async fn take_event(&self, claimed: &ClaimedTrigger, name: &str, now: DateTime<Utc>) -> StoreResult<bool> {
        Ok(events::take(self, claimed, name, now).await?)
    }
    async fn ended_triggers(&self, owner: Uuid, limit: u32) -> StoreResult<Vec<EndedTrigger>> {
        Ok(ended(self, owner, limit).await?)
    }

    async fn post_event(
        &self,
        tenant: TenantId,
        name: &str,
        payload: &Value,
        now: DateTime<Utc>,
        keep_until: DateTime<Utc>,
        most_kept: u32,
    ) -> StoreResult<Posted> {
        Ok(events::post(self, &events::Event { tenant, name, payload, now, keep_until }, most_kept).await?)
    }
    async fn forget_events(&self, now: DateTime<Utc>) -> StoreResult<u64> {
        Ok(events::forget(self, now).await?)
    }

    async fn triggers_of(&self, tenant: TenantId, instances: &[Uuid]) -> StoreResult<Vec<TriggerRow>> {
        Ok(of_instances(self, tenant, instances).await?)
    }
}

async fn ended(store: &SqliteStore, owner: Uuid, limit: u32) -> Result<Vec<EndedTrigger>> {
    let rows = sqlx::query(
        "SELECT t.tenant_id, t.run_key, t.instance_id, t.try_number, t.event
         FROM triggers t CROSS JOIN active_runs a ON a.tenant_id = t.tenant_id AND a.run_key = t.run_key
         WHERE t.ended_at IS NOT NULL AND a.owner = ?1 ORDER BY t.ended_at LIMIT ?2",
    )
    .bind(owner)
    .bind(limit)
    .fetch_all(&mut *store.reader().await)
    .await?;
    let ended = |row: &SqliteRow| {
        Ok(EndedTrigger {
            run: run_key(row)?,
            instance: row.uuid("instance_id")?,
            try_number: row.number("try_number")?,
            event: row.json("event")?,
        })
    };
    rows.iter().map(ended).collect()
}

async fn of_instances(store: &SqliteStore, tenant: TenantId, instances: &[Uuid]) -> Result<Vec<TriggerRow>> {
    if instances.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(
        "SELECT t.* FROM json_each(?1) n
         CROSS JOIN triggers t ON t.tenant_id = n.value ->> 0 AND t.instance_id = unhex(n.value ->> 1)",
    )
    .bind(instance_names(instances.iter().map(|instance| (tenant, *instance))))
    .fetch_all(&mut *store.reader().await)
    .await?;
    rows.iter().map(trigger_row).collect()
}

fn trigger_row(row: &SqliteRow) -> Result<TriggerRow> {
    let saw = row.optional_text("last_saw")?;
    let hostname = row.optional_text("last_hostname")?;
    let last_look = row.optional_instant("last_look_at")?.zip(saw).zip(hostname);
    Ok(TriggerRow {
        id: row.integer("trigger_id")?,
        instance: row.uuid("instance_id")?,
        try_number: row.number("try_number")?,
        trigger: row.json("definition")?,
        created_at: row.instant("created_at")?,
        next_look_at: row.optional_instant("next_look_at")?,
        last_look: last_look.map(|((at, saw), hostname)| LastLook { at, hostname, saw }),
    })
}

fn run_key(row: &SqliteRow) -> Result<RunKey> {
    Ok(RunKey { tenant: TenantId(row.integer("tenant_id")?), id: row.integer("run_key")? })
}
