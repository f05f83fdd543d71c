//! What is queued or running now.

use airlock_core::id::TenantId;
use airlock_store::driving::{Holder, Usage, UsageQuery};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::types::Json;

use crate::PostgresStore;
use crate::error::Result;
use crate::row::Columns;
use crate::settings::pool_row;

/// Locks the tenants that are asked for until the end of the transaction, and then looks: what this answers stays true until
/// what follows from it is committed.
pub async fn usage(connection: &mut PgConnection, query: &UsageQuery) -> Result<Usage> {
    let mut tenants: Vec<i64> =
        query.tenants.iter().chain(query.tasks.iter().map(|(tenant, _, _)| tenant)).map(|id| id.0).collect();
    tenants.sort_unstable();
    tenants.dedup();
    if tenants.is_empty() {
        return Ok(Usage::default());
    }
    // A statement of its own: what a statement sees is fixed when it begins, before it waits for a lock.
    let lock = "SELECT FROM tenants WHERE tenant_id IN (SELECT id::bigint FROM jsonb_array_elements_text($1) n (id))
         ORDER BY tenant_id FOR NO KEY UPDATE";
    sqlx::query(lock).bind(Json(tenants)).execute(&mut *connection).await?;
    look(connection, query).await
}

/// What is true at this moment, and may not be at the next.
pub async fn look(connection: &mut PgConnection, query: &UsageQuery) -> Result<Usage> {
    let mut usage = Usage::default();
    if !query.tenants.is_empty() {
        look_at_tenants(connection, query, &mut usage).await?;
    }
    if !query.tasks.is_empty() {
        look_at_tasks(connection, query, &mut usage).await?;
    }
    Ok(usage)
}

/// What is summed up comes from an index that holds just such rows; its condition must stand here word for word.
async fn look_at_tenants(connection: &mut PgConnection, query: &UsageQuery, usage: &mut Usage) -> Result<()> {
    let rows = sqlx::query(
        "SELECT t.tenant_id, p.name, p.slots, p.description, p.include_deferred,
             (SELECT count(*) FROM queue q WHERE q.tenant_id = t.tenant_id AND q.pool_slots >= 0) AS tries,
             (SELECT coalesce(sum(q.pool_slots), 0) FROM queue q
              WHERE q.tenant_id = p.tenant_id AND q.pool = p.name AND q.pool_slots >= 0)::bigint
             + CASE WHEN p.include_deferred THEN (
                 SELECT coalesce(sum(i.pool_slots), 0) FROM task_instances i
                 WHERE i.tenant_id = p.tenant_id AND i.pool = p.name
                     AND i.state IN ('deferred', 'awaiting_input') AND i.state = 'deferred') ELSE 0 END::bigint AS held
         FROM (SELECT id::bigint AS tenant_id FROM jsonb_array_elements_text($1) n (id)) t
         LEFT JOIN pools p ON p.tenant_id = t.tenant_id
         ORDER BY t.tenant_id, p.name",
    )
    .bind(Json(query.tenants.iter().map(|tenant| tenant.0).collect::<Vec<_>>()))
    .fetch_all(connection)
    .await?;
    for row in &rows {
        let tenant = TenantId(row.get("tenant_id")?);
        if usage.tenants.last().is_none_or(|(last, _)| *last != tenant) {
            usage.tenants.push((tenant, row.number("tries")?));
        }
        if row.get::<Option<&str>>("name")?.is_some() {
            usage.pools.push((tenant, pool_row(row)?, row.number("held")?));
        }
    }
    Ok(())
}

async fn look_at_tasks(connection: &mut PgConnection, query: &UsageQuery, usage: &mut Usage) -> Result<()> {
    let rows = sqlx::query(
        "SELECT t.tenant_id, t.dag_id, t.task_id,
             (SELECT count(*) FROM queue q
              WHERE q.tenant_id = t.tenant_id AND q.dag_id = t.dag_id AND q.task_id = t.task_id)
             + (SELECT count(*) FROM task_instances i JOIN dag_runs r USING (tenant_id, run_key)
                WHERE i.tenant_id = t.tenant_id AND i.state IN ('deferred', 'awaiting_input') AND i.task_id = t.task_id
                    AND r.dag_id = t.dag_id) AS active
         FROM unnest($1::bigint[], $2::text[], $3::text[]) t (tenant_id, dag_id, task_id)",
    )
    .bind(query.tasks.iter().map(|(tenant, _, _)| tenant.0).collect::<Vec<_>>())
    .bind(query.tasks.iter().map(|(_, dag_id, _)| dag_id.as_str()).collect::<Vec<_>>())
    .bind(query.tasks.iter().map(|(_, _, task_id)| task_id.as_str()).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    for row in &rows {
        let tenant = TenantId(row.get("tenant_id")?);
        usage.tasks.push((tenant, row.get("dag_id")?, row.get("task_id")?, row.number("active")?));
    }
    Ok(())
}

pub async fn holders(store: &PostgresStore, tenant: TenantId, pool: &str, limit: u32) -> Result<Vec<Holder>> {
    let rows = sqlx::query(
        "(SELECT dag_id, run_id, task_id, map_index, pool_slots FROM queue
          WHERE tenant_id = $1 AND pool = $2 AND pool_slots >= 0 ORDER BY position LIMIT $3)
         UNION ALL
         (SELECT r.dag_id, r.run_id, i.task_id, i.map_index, i.pool_slots
          FROM pools p
          JOIN task_instances i ON i.tenant_id = p.tenant_id AND i.pool = p.name
          JOIN dag_runs r ON r.tenant_id = i.tenant_id AND r.run_key = i.run_key
          WHERE p.tenant_id = $1 AND p.name = $2 AND p.include_deferred
              AND i.state IN ('deferred', 'awaiting_input') AND i.state = 'deferred'
          ORDER BY i.ordinal LIMIT $3)
         LIMIT $3",
    )
    .bind(tenant.0)
    .bind(pool)
    .bind(i64::from(limit))
    .fetch_all(&mut *store.connection().await?)
    .await?;
    let holder = |row: &PgRow| {
        Ok(Holder {
            dag_id: row.get("dag_id")?,
            run_id: row.get("run_id")?,
            task_id: row.get("task_id")?,
            map_index: row.get("map_index")?,
            pool_slots: row.number("pool_slots")?,
        })
    };
    rows.iter().map(holder).collect()
}
