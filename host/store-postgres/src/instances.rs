//! Task instances and their tries, from the outside.

use airlock_core::id::{RunKey, TenantId};
use airlock_store::instances::{InstanceFilter, InstanceRow, Instances, TryRow};
use airlock_store::{Page, Paged, StoreResult};
use async_trait::async_trait;
use serde_json::Value;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use crate::PostgresStore;
use crate::error::{Failure, Result};
use crate::list::{Bound, List, Orders};
use crate::row::Columns;

/// What [`instance_row`] reads.
macro_rules! instance_columns {
    () => {
        "i.*, r.dag_id, r.run_id, r.dag_version, r.logical_date, r.run_after"
    };
}
/// Where it is read from, up to the `WHERE`.
macro_rules! instance_tables {
    () => {
        "FROM task_instances i JOIN dag_runs r USING (tenant_id, run_key)"
    };
}
pub(crate) use instance_columns;

const ORDERS: Orders = &[
    ("id", "i.instance_id"),
    ("dag_id", "r.dag_id"),
    ("run_id", "r.run_id"),
    ("task_id", "i.task_id"),
    ("map_index", "i.map_index"),
    ("rendered_map_index", "i.rendered_map_index"),
    ("state", "i.state"),
    ("try_number", "i.try_number"),
    ("duration", "i.ended_at - i.started_at"),
    ("start_date", "i.started_at"),
    ("end_date", "i.ended_at"),
    ("queued_when", "i.queued_at"),
    ("queued_dttm", "i.queued_at"),
    ("scheduled_when", "i.scheduled_at"),
    ("logical_date", "r.logical_date"),
    ("run_after", "r.run_after"),
    ("data_interval_start", "r.interval_start"),
    ("data_interval_end", "r.interval_end"),
    ("pool", "i.pool"),
    ("queue", "i.queue"),
    ("operator", "i.operator"),
    ("priority_weight", "i.priority_weight"),
];

#[async_trait]
impl Instances for PostgresStore {
    async fn instance(
        &self,
        tenant: TenantId,
        dag_id: &str,
        run_id: &str,
        task_id: &str,
        map_index: i32,
    ) -> StoreResult<Option<InstanceRow>> {
        let rows = sqlx::query(concat!(
            "SELECT ",
            instance_columns!(),
            " FROM dag_runs r
              CROSS JOIN LATERAL (
                  SELECT * FROM task_instances i
                  WHERE i.tenant_id = r.tenant_id AND i.run_key = r.run_key AND i.task_id = $4 AND i.map_index = $5 OFFSET 0
              ) i
              WHERE r.tenant_id = $1 AND r.dag_id = $2 AND r.run_id = $3"
        ))
        .bind(tenant.0)
        .bind(dag_id)
        .bind(run_id)
        .bind(task_id)
        .bind(map_index);
        let row = rows.fetch_optional(&mut *self.connection().await?).await.map_err(Failure::from)?;
        Ok(row.as_ref().map(instance_row).transpose()?)
    }

    async fn list_instances(
        &self,
        tenant: TenantId,
        filter: &InstanceFilter,
        page: &Page,
    ) -> StoreResult<Paged<InstanceRow>> {
        Ok(list(self, tenant, filter, page).await?)
    }

    async fn tries(&self, tenant: TenantId, instance: Uuid) -> StoreResult<Vec<TryRow>> {
        // The try that is under way has no row of its own yet: it is the instance.
        let rows = sqlx::query(
            "SELECT instance_id, try_number, state, queued_at, started_at, ended_at, hostname, max_tries, cause, message,
                 late_results
             FROM task_tries WHERE tenant_id = $1 AND instance_id = $2
             UNION ALL
             SELECT instance_id, try_number, state, queued_at, started_at, ended_at, hostname, max_tries, NULL, message, 0
             FROM task_instances i WHERE tenant_id = $1 AND instance_id = $2 AND try_number > 0
                 AND NOT EXISTS (SELECT 1 FROM task_tries t WHERE t.tenant_id = i.tenant_id
                     AND t.instance_id = i.instance_id AND t.try_number = i.try_number)
             ORDER BY try_number",
        )
        .bind(tenant.0)
        .bind(instance);
        let rows = rows.fetch_all(&mut *self.connection().await?).await.map_err(Failure::from)?;
        Ok(rows.iter().map(try_row).collect::<Result<_>>()?)
    }

    async fn set_instance_note(&self, tenant: TenantId, instance: Uuid, note: Option<&str>) -> StoreResult<bool> {
        let update = sqlx::query("UPDATE task_instances SET note = $3 WHERE tenant_id = $1 AND instance_id = $2")
            .bind(tenant.0)
            .bind(instance)
            .bind(note);
        let done = update.execute(&mut *self.connection().await?).await.map_err(Failure::from)?;
        Ok(done.rows_affected() > 0)
    }
}

async fn list(
    store: &PostgresStore,
    tenant: TenantId,
    filter: &InstanceFilter,
    page: &Page,
) -> Result<Paged<InstanceRow>> {
    let mut list = List::new(instance_tables!(), "r.tenant_id", tenant);
    list.equal("r.dag_id = ?", filter.dag_id.as_deref());
    list.equal("r.run_id = ?", filter.run_id.as_deref());
    list.some("r.dag_id = ANY (?)", filter.dag_ids.as_deref());
    list.some("r.run_id = ANY (?)", filter.run_ids.as_deref());
    list.any("i.task_id = ANY (?)", filter.task_ids.iter().map(String::as_str));
    list.any_number("i.map_index = ANY (?)", &filter.map_indexes);
    if filter.only_mapped {
        list.condition("i.map_index >= ?", Bound::Integer(0));
    }
    let states = filter.states.iter().map(|state| state.map_or("", |state| state.as_str()));
    list.any("coalesce(i.state, '') = ANY (?)", states);
    list.any("i.pool = ANY (?)", filter.pools.iter().map(String::as_str));
    list.any("i.queue = ANY (?)", filter.queues.iter().map(String::as_str));
    list.any("i.operator = ANY (?)", filter.operators.iter().map(String::as_str));
    list.any_number("i.try_number = ANY (?)", &filter.try_numbers);
    list.any_number("r.dag_version = ANY (?)", &filter.dag_versions);
    list.like("r.dag_id", &filter.dag_id_pattern);
    list.like("r.run_id", &filter.run_id_pattern);
    list.like("i.task_id", &filter.task_id_pattern);
    list.like("i.pool", &filter.pool_pattern);
    list.like("i.queue", &filter.queue_pattern);
    list.like("i.operator", &filter.operator_pattern);
    list.like("i.rendered_map_index", &filter.rendered_map_index_pattern);
    list.span("r.logical_date", &filter.logical_date);
    list.span("r.run_after", &filter.run_after);
    list.span("i.started_at", &filter.started_at);
    list.span("i.ended_at", &filter.ended_at);
    list.span("coalesce(i.ended_at, i.started_at, i.queued_at, i.scheduled_at)", &filter.updated_at);
    list.range("extract(epoch FROM i.ended_at - i.started_at)", &filter.duration);
    let mut snapshot = store.snapshot().await?;
    let (rows, total) = list.fetch(&mut snapshot, instance_columns!(), ORDERS, "i.run_key, i.ordinal", page).await?;
    Ok(Paged { items: rows.iter().map(instance_row).collect::<Result<_>>()?, total })
}

pub fn instance_row(row: &PgRow) -> Result<InstanceRow> {
    let rendered_fields = match row.optional_json("rendered_fields")? {
        Some(Value::Object(fields)) => Some(fields),
        _ => None,
    };
    Ok(InstanceRow {
        id: row.get("instance_id")?,
        run: RunKey { tenant: TenantId(row.get("tenant_id")?), id: row.get("run_key")? },
        dag_id: row.get("dag_id")?,
        run_id: row.get("run_id")?,
        task_id: row.get("task_id")?,
        map_index: row.get("map_index")?,
        state: row.optional_name("state")?,
        try_number: row.number("try_number")?,
        max_tries: row.number("max_tries")?,
        operator: row.get("operator")?,
        pool: row.get("pool")?,
        pool_slots: row.number("pool_slots")?,
        queue: row.get("queue")?,
        priority_weight: row.get("priority_weight")?,
        scheduled_at: row.get("scheduled_at")?,
        queued_at: row.get("queued_at")?,
        started_at: row.get("started_at")?,
        ended_at: row.get("ended_at")?,
        first_started_at: row.get("first_started_at")?,
        wake_at: row.get("wake_at")?,
        reschedules: row.number("reschedules")?,
        resume_state: row.optional_json("resume_state")?,
        skips: row.optional_json("skips")?.unwrap_or_default(),
        hostname: row.get("hostname")?,
        note: row.get("note")?,
        message: row.get("message")?,
        rendered_fields,
        map_length: row.get::<Option<i64>>("map_length")?.and_then(|length| u32::try_from(length).ok()),
        rendered_map_index: row.get("rendered_map_index")?,
        dag_version: row.number("dag_version")?,
        logical_date: row.get("logical_date")?,
        run_after: row.get("run_after")?,
    })
}

fn try_row(row: &PgRow) -> Result<TryRow> {
    Ok(TryRow {
        instance_id: row.get("instance_id")?,
        try_number: row.number("try_number")?,
        state: row.optional_name("state")?,
        queued_at: row.get("queued_at")?,
        started_at: row.get("started_at")?,
        ended_at: row.get("ended_at")?,
        hostname: row.get("hostname")?,
        max_tries: row.number("max_tries")?,
        cause: row.get("cause")?,
        message: row.get("message")?,
        late_results: row.number("late_results")?,
    })
}
