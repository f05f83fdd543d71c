//! What is queued or running now.

use airlock_core::id::TenantId;
use airlock_store::driving::{Holder, Usage, UsageQuery};
use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::SqliteStore;
use crate::error::Result;
use crate::row::Columns;
use crate::settings::pool_row;

pub async fn usage(connection: &mut SqliteConnection, query: &UsageQuery) -> Result<Usage> {
    let mut usage = Usage::default();
    if !query.tenants.is_empty() {
        look_at_tenants(connection, query, &mut usage).await?;
    }
    if !query.tasks.is_empty() {
        look_at_tasks(connection, query, &mut usage).await?;
    }
    Ok(usage)
}

async fn look_at_tenants(connection: &mut SqliteConnection, query: &UsageQuery, usage: &mut Usage) -> Result<()> {
    // The condition of the partial index `task_instances_waiting` must stand here word for word. The tenant's own count comes
    // only with its first pool.
    let rows = sqlx::query(
        "SELECT t.value AS tenant_id, p.name, p.slots, p.description, p.include_deferred,
             CASE row_number() OVER (PARTITION BY t.key ORDER BY p.name)
                 WHEN 1 THEN (SELECT count(*) FROM queue q WHERE q.tenant_id = t.value) END AS tries,
             (SELECT coalesce(sum(q.pool_slots), 0) FROM queue q WHERE q.tenant_id = p.tenant_id AND q.pool = p.name)
             + CASE p.include_deferred WHEN 0 THEN 0 ELSE (
                 SELECT coalesce(sum(i.pool_slots), 0) FROM task_instances i
                 WHERE i.tenant_id = p.tenant_id AND i.pool = p.name
                     AND i.state IN ('deferred', 'awaiting_input') AND i.state = 'deferred') END AS held
         FROM json_each(?1) t LEFT JOIN pools p ON p.tenant_id = t.value",
    )
    .bind(Value::from_iter(query.tenants.iter().map(|tenant| tenant.0)).to_string())
    .fetch_all(connection)
    .await?;
    for row in &rows {
        let tenant = TenantId(row.integer("tenant_id")?);
        if row.optional_integer("tries")?.is_some() {
            usage.tenants.push((tenant, row.number("tries")?));
        }
        if row.optional_text("name")?.is_some() {
            usage.pools.push((tenant, pool_row(row)?, row.number("held")?));
        }
    }
    Ok(())
}

async fn look_at_tasks(connection: &mut SqliteConnection, query: &UsageQuery, usage: &mut Usage) -> Result<()> {
    let tasks: Value = query.tasks.iter().map(|(tenant, dag_id, task_id)| json!([tenant.0, dag_id, task_id])).collect();
    let rows = sqlx::query(
        "SELECT t.value ->> 0 AS tenant_id, t.value ->> 1 AS dag_id, t.value ->> 2 AS task_id,
             (SELECT count(*) FROM queue q
              WHERE q.tenant_id = t.value ->> 0 AND q.dag_id = t.value ->> 1 AND q.task_id = t.value ->> 2)
             + (SELECT count(*) FROM task_instances i CROSS JOIN dag_runs r USING (tenant_id, run_key)
                WHERE i.tenant_id = t.value ->> 0 AND i.state IN ('deferred', 'awaiting_input')
                    AND i.task_id = t.value ->> 2 AND r.dag_id = t.value ->> 1) AS active
         FROM json_each(?1) t",
    )
    .bind(tasks.to_string())
    .fetch_all(connection)
    .await?;
    for row in &rows {
        let tenant = TenantId(row.integer("tenant_id")?);
        usage.tasks.push((tenant, row.text("dag_id")?, row.text("task_id")?, row.number("active")?));
    }
    Ok(())
}

pub async fn holders(store: &SqliteStore, tenant: TenantId, pool: &str, limit: u32) -> Result<Vec<Holder>> {
    // The condition on two states is that of the partial index `task_instances_waiting`.
    let rows = sqlx::query(
        "SELECT * FROM (
             SELECT dag_id, run_id, task_id, map_index, pool_slots FROM queue
             WHERE tenant_id = ?1 AND pool = ?2 ORDER BY position LIMIT ?3)
         UNION ALL
         SELECT * FROM (
             SELECT r.dag_id, r.run_id, i.task_id, i.map_index, i.pool_slots
             FROM pools p
             CROSS JOIN task_instances i ON i.tenant_id = p.tenant_id AND i.pool = p.name
             CROSS JOIN dag_runs r ON r.tenant_id = i.tenant_id AND r.run_key = i.run_key
             WHERE p.tenant_id = ?1 AND p.name = ?2 AND p.include_deferred = 1
                 AND i.state IN ('deferred', 'awaiting_input') AND i.state = 'deferred'
             ORDER BY i.ordinal LIMIT ?3)
         LIMIT ?3",
    )
    .bind(tenant.0)
    .bind(pool)
    .bind(limit)
    .fetch_all(&mut *store.reader().await)
    .await?;
    let holder = |row: &SqliteRow| {
        Ok(Holder {
            dag_id: row.text("dag_id")?,
            run_id: row.text("run_id")?,
            task_id: row.text("task_id")?,
            map_index: row.number("map_index")?,
            pool_slots: row.number("pool_slots")?,
        })
    };
    rows.iter().map(holder).collect()
}
