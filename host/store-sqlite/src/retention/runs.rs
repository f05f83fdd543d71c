//! Runs go with all that they had.

use airlock_core::id::{RunKey, TenantId};
use airlock_core::retention::CleanTable;
use airlock_store::retention::{CleanFilter, CleanStep, Cleaned};
use airlock_store::support::{Candidate, fitting};
use serde_json::Value;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::removable::{dispensable, of_dags, runs};
use super::{archive, array};
use crate::error::Result;
use crate::row::{Columns, micros};
use crate::runs::delete_all;
use crate::{SqliteStore, begin};

/// Selects all of a table that belongs to the runs `?2`.
macro_rules! all_of {
    ($table:literal) => {
        (
            $table,
            concat!("SELECT * FROM ", $table, " WHERE tenant_id = ?1 AND run_key IN (SELECT value FROM json_each(?2))"),
        )
    };
}

/// Whole runs: what a row refers to is archived before it.
const TABLES: &[(&str, &str)] = &[
    all_of!("dag_runs"),
    all_of!("asset_event_runs"),
    all_of!("task_instances"),
    (
        "task_tries",
        "SELECT t.* FROM task_instances i JOIN task_tries t USING (tenant_id, instance_id)
         WHERE i.tenant_id = ?1 AND i.run_key IN (SELECT value FROM json_each(?2))",
    ),
    all_of!("xcoms"),
];

pub async fn remove(store: &SqliteStore, tenant: TenantId, filter: &CleanFilter, step: &CleanStep) -> Result<Cleaned> {
    let mut writer = store.writer().await;
    let mut transaction = begin(&mut writer).await?;
    let found = candidates(&mut transaction, tenant, filter, step).await?;
    let all = found.len();
    let fitting = fitting(found, step.limit);
    let keys: Vec<i64> = fitting.iter().map(|candidate| candidate.run.id).collect();
    if let Some(archive_at) = step.archive_at {
        let runs = Value::from(keys.as_slice()).to_string();
        for (table, select) in TABLES {
            let rows = sqlx::query(*select).bind(tenant.0).bind(&runs).fetch_all(&mut *transaction).await?;
            archive::keep(&mut transaction, tenant, CleanTable::DagRun, table, &rows, archive_at).await?;
        }
    }
    delete_all(&mut transaction, tenant, &keys).await?;
    transaction.commit().await?;
    let more = fitting.len() < all || all >= step.limit as usize;
    Ok(Cleaned {
        rows: keys.len() as u64,
        next: keys.last().copied().filter(|_| more),
        runs: keys.into_iter().map(|id| RunKey { tenant, id }).collect(),
        tries: Vec::new(),
    })
}

async fn candidates(
    connection: &mut SqliteConnection,
    tenant: TenantId,
    filter: &CleanFilter,
    step: &CleanStep,
) -> Result<Vec<Candidate>> {
    let rows = sqlx::query(concat!(
        "SELECT r.run_key, r.dag_id, (
             SELECT count(*) FROM task_instances i WHERE i.tenant_id = r.tenant_id AND i.run_key = r.run_key
         ) AS instances ",
        runs!(),
        " AND r.run_key > ?5 ORDER BY r.run_key LIMIT ?6"
    ))
    .bind(tenant.0)
    .bind(micros(filter.before))
    .bind(array(&filter.dag_ids))
    .bind(array(&filter.excluded_dag_ids))
    .bind(step.from)
    .bind(step.limit)
    .fetch_all(connection)
    .await?;
    let candidate = |row: &SqliteRow| {
        let run = RunKey { tenant, id: row.integer("run_key")? };
        Ok(Candidate { run, dag_id: row.text("dag_id")?, instances: row.number("instances")? })
    };
    rows.iter().map(candidate).collect()
}
