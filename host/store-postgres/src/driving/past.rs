//! What the run before a run left.

use std::collections::BTreeSet;

use airlock_core::id::RunKey;
use airlock_core::run::Past;
use airlock_core::state::RunType;

use crate::PostgresStore;
use crate::error::Result;
use crate::row::Columns;

pub async fn past_of(store: &PostgresStore, run: RunKey, automated: bool, tasks: &[String]) -> Result<Past> {
    let mut snapshot = store.snapshot().await?;
    let previous: Option<(i64, bool)> = sqlx::query_as(
        "SELECT p.run_key, p.state IN ('success', 'failed') OR EXISTS (
             SELECT FROM task_instances i WHERE i.tenant_id = p.tenant_id AND i.run_key = p.run_key)
         FROM dag_runs r
         JOIN dag_runs p ON p.tenant_id = r.tenant_id AND p.dag_id = r.dag_id AND p.logical_date < r.logical_date
         WHERE r.tenant_id = $1 AND r.run_key = $2 AND (NOT $3 OR p.run_type <> $4)
         ORDER BY p.logical_date DESC LIMIT 1",
    )
    .bind(run.tenant.0)
    .bind(run.id)
    .bind(automated)
    .bind(RunType::Manual.as_str())
    .fetch_optional(&mut *snapshot)
    .await?;
    let previous = match previous {
        None => return Ok(Past::default()),
        Some((_, false)) => return Ok(Past::not_begun(tasks)),
        Some((previous, true)) => previous,
    };
    let rows = sqlx::query(
        "SELECT i.task_id, i.state FROM unnest($3::text[]) t (task_id)
         JOIN task_instances i ON i.tenant_id = $1 AND i.run_key = $2 AND i.task_id = t.task_id",
    )
    .bind(run.tenant.0)
    .bind(previous)
    .bind(tasks)
    .fetch_all(&mut *snapshot)
    .await?;
    let mut states = Vec::with_capacity(rows.len());
    for row in &rows {
        states.push((row.get("task_id")?, row.optional_name("state")?));
    }
    let seen: Vec<String> = sqlx::query_scalar(
        "SELECT t.task_id FROM unnest($3::text[]) t (task_id)
         WHERE EXISTS (
             SELECT 1 FROM dag_runs r
             JOIN dag_runs p ON p.tenant_id = r.tenant_id AND p.dag_id = r.dag_id AND p.logical_date < r.logical_date
             JOIN task_instances i ON i.tenant_id = p.tenant_id AND i.run_key = p.run_key AND i.task_id = t.task_id
             WHERE r.tenant_id = $1 AND r.run_key = $2)",
    )
    .bind(run.tenant.0)
    .bind(run.id)
    .bind(tasks)
    .fetch_all(&mut *snapshot)
    .await?;
    Ok(Past { previous: Some(states), seen: BTreeSet::from_iter(seen) })
}
