//! Events that DAGs have not followed up yet.

use airlock_core::id::TenantId;
use airlock_store::assets::{QueuedEventFilter, QueuedEventRow};
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::SqliteStore;
use crate::error::Result;
use crate::row::{Columns, optional_micros};

/// Queues events for the DAGs that are scheduled on their assets, or on aliases by which they came, and not paused. `rows` is a JSON
/// array of arrays: tenant, name and URI of the asset, the event's time and, of an event of a task, what [`super::events::record`]
/// adds: at place 8 the aliases. A row is as of the newest event, so that a run follows from all that have come by then.
pub async fn add(connection: &mut SqliteConnection, rows: &str) -> Result<()> {
    sqlx::query(
        "INSERT INTO asset_queue (tenant_id, dag_id, asset_id, created_at, is_fresh)
         SELECT f.tenant_id, f.dag_id, f.asset_id, max(f.at), 1
         FROM (
             SELECT f.tenant_id, f.dag_id, a.asset_id, e.value ->> 3 AS at FROM json_each(?1) e
             CROSS JOIN assets a ON a.tenant_id = e.value ->> 0 AND a.name = e.value ->> 1 AND a.uri = e.value ->> 2
             CROSS JOIN asset_references f
                 ON f.tenant_id = a.tenant_id AND f.asset_id = a.asset_id AND f.role = 'schedule'
             UNION ALL
             SELECT f.tenant_id, f.dag_id, a.asset_id, e.value ->> 3 FROM json_each(?1) e
             CROSS JOIN json_each(e.value, '$[8]') n
             CROSS JOIN assets a ON a.tenant_id = e.value ->> 0 AND a.name = e.value ->> 1 AND a.uri = e.value ->> 2
             CROSS JOIN asset_aliases l ON l.tenant_id = a.tenant_id AND l.name = n.value
             CROSS JOIN asset_alias_references f
                 ON f.tenant_id = l.tenant_id AND f.alias_id = l.alias_id AND f.role = 'schedule'
         ) f CROSS JOIN dags d ON d.tenant_id = f.tenant_id AND d.dag_id = f.dag_id AND d.is_paused = 0
         WHERE true GROUP BY f.tenant_id, f.dag_id, f.asset_id
         ON CONFLICT (tenant_id, dag_id, asset_id) DO UPDATE
             SET created_at = max(created_at, excluded.created_at), is_fresh = 1",
    )
    .bind(rows)
    .execute(connection)
    .await?;
    Ok(())
}

pub async fn list(
    connection: &mut SqliteConnection,
    tenant: TenantId,
    filter: &QueuedEventFilter,
) -> Result<Vec<QueuedEventRow>> {
    let rows = sqlx::query(
        "SELECT q.dag_id, q.asset_id, q.created_at, a.name, a.uri, (
             SELECT json_group_array(l.name) FROM asset_alias_assets x
             CROSS JOIN asset_aliases l ON l.tenant_id = x.tenant_id AND l.alias_id = x.alias_id
             WHERE x.tenant_id = q.tenant_id AND x.asset_id = q.asset_id) AS aliases
         FROM asset_queue q
         JOIN assets a ON a.tenant_id = q.tenant_id AND a.asset_id = q.asset_id
         WHERE q.tenant_id = ?1 AND (?2 IS NULL OR q.dag_id = ?2) AND (?3 IS NULL OR q.asset_id = ?3)
             AND (?4 IS NULL OR q.created_at < ?4)
         ORDER BY q.dag_id, q.asset_id",
    )
    .bind(tenant.0)
    .bind(&filter.dag_id)
    .bind(filter.asset_id)
    .bind(optional_micros(filter.before))
    .fetch_all(connection)
    .await?;
    rows.iter().map(queued).collect()
}

pub async fn delete(store: &SqliteStore, tenant: TenantId, filter: &QueuedEventFilter) -> Result<u64> {
    let deletion = sqlx::query(
        "DELETE FROM asset_queue WHERE tenant_id = ?1 AND (?2 IS NULL OR dag_id = ?2) AND (?3 IS NULL OR asset_id = ?3)
             AND (?4 IS NULL OR created_at < ?4)",
    )
    .bind(tenant.0)
    .bind(&filter.dag_id)
    .bind(filter.asset_id)
    .bind(optional_micros(filter.before));
    Ok(deletion.execute(&mut *store.writer().await).await?.rows_affected())
}

fn queued(row: &SqliteRow) -> Result<QueuedEventRow> {
    Ok(QueuedEventRow {
        dag_id: row.text("dag_id")?,
        asset_id: row.integer("asset_id")?,
        name: row.text("name")?,
        uri: row.text("uri")?,
        aliases: row.json("aliases")?,
        created_at: row.instant("created_at")?,
    })
}
