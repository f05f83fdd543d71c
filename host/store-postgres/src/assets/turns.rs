//! Runs that follow from events of assets.

use airlock_core::id::{RunKey, TenantId};
use airlock_store::assets::{AssetTurn, QueuedEventFilter};
use airlock_store::runs::{NewRun, RunRow};
use chrono::{DateTime, Utc};
use sqlx::postgres::PgConnection;

use super::queue;
use crate::PostgresStore;
use crate::dags::get;
use crate::dags::load::{ChangedDags, lock};
use crate::error::Result;
use crate::row::Columns;
use crate::runs::insert;

pub async fn turns(store: &PostgresStore, limit: u32) -> Result<Vec<AssetTurn>> {
    let mut snapshot = store.snapshot().await?;
    let rows = sqlx::query(
        "SELECT DISTINCT q.tenant_id, q.dag_id
         FROM asset_queue q JOIN dags d ON d.tenant_id = q.tenant_id AND d.dag_id = q.dag_id
         WHERE q.is_fresh AND NOT d.is_paused AND d.unfinished_runs < d.max_active_runs LIMIT $1",
    )
    .bind(i64::from(limit))
    .fetch_all(&mut *snapshot)
    .await?;
    let mut turns = Vec::with_capacity(rows.len());
    for row in &rows {
        let (tenant, dag_id) = (TenantId(row.get("tenant_id")?), row.get::<String>("dag_id")?);
        let filter = QueuedEventFilter { dag_id: Some(dag_id.clone()), ..QueuedEventFilter::default() };
        let queued = queue::list(&mut snapshot, tenant, &filter).await?;
        if let Some(row) = get(store, &mut snapshot, tenant, &dag_id).await? {
            turns.push(AssetTurn { row, queued });
        }
    }
    Ok(turns)
}

pub async fn open(store: &PostgresStore, turn: &AssetTurn, run: Option<&NewRun>) -> Result<Option<RunRow>> {
    let (tenant, dag_id) = (turn.row.tenant, &turn.row.dag_id);
    let seen = || turn.queued.iter().map(|one| (one.asset_id, one.created_at));
    let (assets, times): (Vec<i64>, Vec<DateTime<Utc>>) = seen().unzip();
    let mut transaction = store.begin().await?;
    // The DAG before its queue and its runs, as everywhere.
    lock(&mut transaction, &ChangedDags::from([(tenant.0, dag_id.clone())])).await?;
    let is_current: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM dags WHERE tenant_id = $1 AND dag_id = $2 AND version = $3 AND NOT is_paused)",
    )
    .bind(tenant.0)
    .bind(dag_id)
    .bind(i64::from(turn.row.version))
    .fetch_one(&mut *transaction)
    .await?;
    if !is_current {
        return Ok(None);
    }
    let Some(run) = run else {
        sqlx::query(
            "UPDATE asset_queue SET is_fresh = false WHERE tenant_id = $1 AND dag_id = $2 AND (asset_id, created_at) IN (
                 SELECT * FROM unnest($3::bigint[], $4::timestamptz[]))",
        )
        .bind(tenant.0)
        .bind(dag_id)
        .bind(&assets)
    .bind(&times)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        return Ok(None);
    };
    let taken = sqlx::query(
        "DELETE FROM asset_queue WHERE tenant_id = $1 AND dag_id = $2 AND (asset_id, created_at) IN (
             SELECT * FROM unnest($3::bigint[], $4::timestamptz[]))",
    )
    .bind(tenant.0)
    .bind(dag_id)
    .bind(&assets)
    .bind(&times)
    .execute(&mut *transaction)
    .await?
    .rows_affected();
    if taken < turn.queued.len() as u64 {
        return Ok(None);
    }
    let Some(opened) = insert(&mut transaction, run, None).await? else { return Ok(None) };
    follow(&mut transaction, opened.key, dag_id, turn.row.dag.catchup).await?;
    transaction.commit().await?;
    Ok(Some(opened))
}

/// Notes which events a run follows from: those since the run before it, or, for a DAG that does not catch up and has had no such
/// run, since it has been scheduled on assets. Of an alias it follows the events that came by it, not others of its assets.
async fn follow(connection: &mut PgConnection, run: RunKey, dag_id: &str, catchup: bool) -> Result<()> {
    sqlx::query(
        "WITH since AS MATERIALIZED (
             SELECT coalesce(
                 (SELECT max(p.run_after) FROM dag_runs p WHERE p.tenant_id = $1 AND p.dag_id = $3
                      AND p.run_type = 'asset_triggered' AND p.run_key <> $2),
                 CASE WHEN NOT $4 THEN (
                     SELECT min(s.created_at) FROM (
                         SELECT created_at FROM asset_references
                         WHERE tenant_id = $1 AND dag_id = $3 AND role = 'schedule'
                         UNION ALL
                         SELECT created_at FROM asset_alias_references
                         WHERE tenant_id = $1 AND dag_id = $3 AND role = 'schedule') s) END,
                 '-infinity') AS at
         )
         INSERT INTO asset_event_runs (tenant_id, run_key, event_id)
         SELECT e.tenant_id, r.run_key, e.event_id
         FROM dag_runs r CROSS JOIN since
         JOIN asset_references f ON f.tenant_id = r.tenant_id AND f.dag_id = r.dag_id AND f.role = 'schedule'
         JOIN asset_events e ON e.tenant_id = f.tenant_id AND e.asset_id = f.asset_id
             AND e.timestamp <= r.run_after AND e.timestamp > since.at
         WHERE r.tenant_id = $1 AND r.run_key = $2
         UNION
         SELECT x.tenant_id, r.run_key, x.event_id
         FROM dag_runs r CROSS JOIN since
         JOIN asset_alias_references f ON f.tenant_id = r.tenant_id AND f.dag_id = r.dag_id AND f.role = 'schedule'
         JOIN asset_event_aliases x ON x.tenant_id = f.tenant_id AND x.alias_id = f.alias_id
             AND x.timestamp <= r.run_after AND x.timestamp > since.at
         WHERE r.tenant_id = $1 AND r.run_key = $2",
    )
    .bind(run.tenant.0)
    .bind(run.id)
    .bind(dag_id)
    .bind(catchup)
    .execute(connection)
    .await?;
    Ok(())
}
