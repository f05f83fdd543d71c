//! What the run before a run left.

use std::collections::BTreeSet;

use airlock_core::id::RunKey;
use airlock_core::run::Past;
use airlock_core::state::RunType;
use serde_json::Value;
use sqlx::Connection;

use crate::SqliteStore;
use crate::error::Result;
use crate::row::Columns;

pub async fn past_of(store: &SqliteStore, run: RunKey, automated: bool, tasks: &[String]) -> Result<Past> {
    let mut reader = store.reader().await;
    let mut snapshot = reader.begin().await?;
    let previous: Option<(i64, bool)> = sqlx::query_as(
        "SELECT p.run_key, EXISTS (SELECT 1 FROM task_instances i WHERE i.tenant_id = p.tenant_id AND i.run_key = p.run_key)
                OR p.state IN ('success', 'failed')
         FROM dag_runs r
         CROSS JOIN dag_runs p ON p.tenant_id = r.tenant_id AND p.dag_id = r.dag_id AND p.logical_date < r.logical_date
         WHERE r.tenant_id = ?1 AND r.run_key = ?2 AND (?3 = 0 OR p.run_type <> ?4)
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
    let names = Value::from(tasks).to_string();
    let rows = sqlx::query(
        "SELECT i.task_id, i.state FROM json_each(?3) t
         CROSS JOIN task_instances i ON i.tenant_id = ?1 AND i.run_key = ?2 AND i.task_id = t.value",
    )
    .bind(run.tenant.0)
    .bind(previous)
    .bind(&names)
    .fetch_all(&mut *snapshot)
    .await?;
    let mut states = Vec::with_capacity(rows.len());
    for row in &rows {
        states.push((row.text("task_id")?, row.optional_name("state")?));
    }
    let seen: Vec<String> = sqlx::query_scalar(
        "SELECT t.value FROM json_each(?3) t
         WHERE EXISTS (
             SELECT 1 FROM dag_runs r
             CROSS JOIN dag_runs p ON p.tenant_id = r.tenant_id AND p.dag_id = r.dag_id AND p.logical_date < r.logical_date
             CROSS JOIN task_instances i ON i.tenant_id = p.tenant_id AND i.run_key = p.run_key AND i.task_id = t.value
             WHERE r.tenant_id = ?1 AND r.run_key = ?2)",
    )
    .bind(run.tenant.0)
    .bind(run.id)
    .bind(&names)
    .fetch_all(&mut *snapshot)
    .await?;
    Ok(Past { previous: Some(states), seen: BTreeSet::from_iter(seen) })
}
