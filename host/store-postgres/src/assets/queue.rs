//! Events that DAGs have not followed up yet.

use airlock_core::id::TenantId;
use airlock_store::assets::{QueuedEventFilter, QueuedEventRow};
use sqlx::postgres::{PgConnection, PgRow};

use crate::PostgresStore;
use crate::error::Result;
use crate::row::Columns;

/// Queues events for the DAGs that are scheduled on their assets, or on aliases by which they came, and not paused. `rows` is a JSON
/// array of arrays: tenant, name and URI of the asset, the event's time and, of an event of a task, what [`super::events::record`]
/// adds: at place 8 the aliases. A row is as of the newest event, so that a run follows from all that have come by then.
pub async fn add(connection: &mut PgConnection, rows: &str) -> Result<()> {
    sqlx::query(
        "INSERT INTO asset_queue (tenant_id, dag_id, asset_id, created_at, is_fresh)
         SELECT f.tenant_id, f.dag_id, f.asset_id, instant(max(f.at)), true
         FROM (
             SELECT f.tenant_id, f.dag_id, a.asset_id, (e ->> 3)::bigint AS at FROM json_array_elements($1::json) e
             JOIN assets a ON a.tenant_id = (e ->> 0)::bigint AND a.name = e ->> 1 AND a.uri = e ->> 2
             JOIN asset_references f ON f.tenant_id = a.tenant_id AND f.asset_id = a.asset_id AND f.role = 'schedule'
             UNION ALL
             SELECT f.tenant_id, f.dag_id, a.asset_id, (e ->> 3)::bigint FROM json_array_elements($1::json) e
             CROSS JOIN json_array_elements_text(e -> 8) n
             JOIN assets a ON a.tenant_id = (e ->> 0)::bigint AND a.name = e ->> 1 AND a.uri = e ->> 2
             JOIN asset_aliases l ON l.tenant_id = a.tenant_id AND l.name = n
             JOIN asset_alias_references f
                 ON f.tenant_id = l.tenant_id AND f.alias_id = l.alias_id AND f.role = 'schedule'
         ) f JOIN dags d ON d.tenant_id = f.tenant_id AND d.dag_id = f.dag_id AND NOT d.is_paused
         GROUP BY f.tenant_id, f.dag_id, f.asset_id
         -- In one order everywhere, so that two commits never wait for each other.
         ORDER BY f.tenant_id, f.dag_id, f.asset_id
         ON CONFLICT (tenant_id, dag_id, asset_id) DO UPDATE
             SET created_at = greatest(asset_queue.created_at, excluded.created_at), is_fresh = true",
    )
    .bind(rows)
    .execute(connection)
    .await?;
    Ok(())
}

pub async fn list(
    connection: &mut PgConnection,
    tenant: TenantId,
    filter: &QueuedEventFilter,
) -> Result<Vec<QueuedEventRow>> {
    let rows = sqlx::query(
        "SELECT q.dag_id, q.asset_id, q.created_at, a.name, a.uri, ARRAY (
             SELECT l.name FROM asset_alias_assets x
             JOIN asset_aliases l ON l.tenant_id = x.tenant_id AND l.alias_id = x.alias_id
             WHERE x.tenant_id = q.tenant_id AND x.asset_id = q.asset_id ORDER BY l.alias_id) AS aliases
         FROM asset_queue q
         JOIN assets a ON a.tenant_id = q.tenant_id AND a.asset_id = q.asset_id
         WHERE q.tenant_id = $1 AND ($2::text IS NULL OR q.dag_id = $2) AND ($3::bigint IS NULL OR q.asset_id = $3)
             AND ($4::timestamptz IS NULL OR q.created_at < $4)
         ORDER BY q.dag_id, q.asset_id",
    )
    .bind(tenant.0)
    .bind(&filter.dag_id)
    .bind(filter.asset_id)
    .bind(filter.before)
    .fetch_all(connection)
    .await?;
    rows.iter().map(queued).collect()
}

pub async fn delete(store: &PostgresStore, tenant: TenantId, filter: &QueuedEventFilter) -> Result<u64> {
    let deletion = sqlx::query(
        "DELETE FROM asset_queue WHERE tenant_id = $1 AND ($2::text IS NULL OR dag_id = $2) AND ($3::bigint IS NULL OR asset_id = $3)
             AND ($4::timestamptz IS NULL OR created_at < $4)",
    )
    .bind(tenant.0)
    .bind(&filter.dag_id)
    .bind(filter.asset_id)
    .bind(filter.before);
    Ok(deletion.execute(&mut *store.connection().await?).await?.rows_affected())
}

fn queued(row: &PgRow) -> Result<QueuedEventRow> {
    Ok(QueuedEventRow {
        dag_id: row.get("dag_id")?,
        asset_id: row.get("asset_id")?,
        name: row.get("name")?,
        uri: row.get("uri")?,
        aliases: row.get("aliases")?,
        created_at: row.get("created_at")?,
    })
}
