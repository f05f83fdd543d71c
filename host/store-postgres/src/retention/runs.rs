//! Runs go with all that they had.

use airlock_core::id::{RunKey, TenantId};
use airlock_store::retention::{CleanFilter, CleanStep, Cleaned};
use airlock_store::support::{Candidate, fitting};
use sqlx::postgres::PgConnection;

use super::removable::{dispensable, of_dags, runs};
use crate::PostgresStore;
use crate::dags::load::{ChangedDags, lock};
use crate::error::Result;
use crate::row::Columns;
use crate::runs::delete_all;

/// Archives the rows of `$table` that belong to the runs `$2`, as of `$3`.
macro_rules! archival {
    ($table:literal, $of_runs:literal) => {
        concat!(
            "INSERT INTO archived_rows (tenant_id, archived_at, cleaned, source, content)
             SELECT t.tenant_id, $3, 'dag_run', '",
            $table,
            "', row_to_json(t) FROM ",
            $table,
            " t WHERE t.tenant_id = $1 AND ",
            $of_runs
        )
    };
}

/// Whole runs: what a row refers to is archived before it.
const ARCHIVE: &[&str] = &[
    archival!("dag_runs", "t.run_key = ANY ($2)"),
    archival!("asset_event_runs", "t.run_key = ANY ($2)"),
    archival!("task_instances", "t.run_key = ANY ($2)"),
    archival!(
        "task_tries",
        "t.instance_id IN (SELECT i.instance_id FROM task_instances i WHERE i.tenant_id = $1 AND i.run_key = ANY ($2))"
    ),
    archival!("xcoms", "t.run_key = ANY ($2)"),
];

pub async fn remove(
    store: &PostgresStore,
    tenant: TenantId,
    filter: &CleanFilter,
    step: &CleanStep,
) -> Result<Cleaned> {
    let found = candidates(store, tenant, filter, step).await?;
    if found.is_empty() {
        return Ok(Cleaned::default());
    }
    let all = found.len();
    let fitting = fitting(found, step.limit);
    let next = (fitting.len() < all || all >= step.limit as usize).then(|| fitting.last().map(|last| last.run.id));

    let mut transaction = store.begin().await?;
    // Nothing begins in these DAGs, and nothing that has ended is cleared, while it is looked at once more what may go.
    let dags: ChangedDags = fitting.iter().map(|candidate| (tenant.0, candidate.dag_id.clone())).collect();
    lock(&mut transaction, &dags).await?;
    let keys: Vec<i64> = fitting.iter().map(|candidate| candidate.run.id).collect();
    let keys: Vec<i64> =
        sqlx::query_scalar(concat!("SELECT r.run_key ", runs!(), " AND r.run_key = ANY ($5) FOR UPDATE OF r"))
            .bind(tenant.0)
            .bind(filter.before)
            .bind(&filter.dag_ids)
            .bind(&filter.excluded_dag_ids)
            .bind(&keys)
            .fetch_all(&mut *transaction)
            .await?;
    archive(&mut transaction, tenant, &keys, step).await?;
    delete_all(&mut transaction, tenant, &keys).await?;
    transaction.commit().await?;
    Ok(Cleaned {
        rows: keys.len() as u64,
        runs: keys.into_iter().map(|id| RunKey { tenant, id }).collect(),
        tries: Vec::new(),
        next: next.flatten(),
    })
}

async fn candidates(
    store: &PostgresStore,
    tenant: TenantId,
    filter: &CleanFilter,
    step: &CleanStep,
) -> Result<Vec<Candidate>> {
    let rows = sqlx::query(concat!(
        "SELECT r.run_key, r.dag_id, (
             SELECT count(*) FROM task_instances i WHERE i.tenant_id = r.tenant_id AND i.run_key = r.run_key
         ) AS instances ",
        runs!(),
        " AND r.run_key > $5 ORDER BY r.run_key LIMIT $6"
    ))
    .bind(tenant.0)
    .bind(filter.before)
    .bind(&filter.dag_ids)
    .bind(&filter.excluded_dag_ids)
    .bind(step.from)
    .bind(i64::from(step.limit))
    .fetch_all(&mut *store.connection().await?)
    .await?;
    let candidate = |row| {
        let run = RunKey { tenant, id: Columns::get(row, "run_key")? };
        Ok(Candidate { run, dag_id: Columns::get(row, "dag_id")?, instances: Columns::number(row, "instances")? })
    };
    rows.iter().map(candidate).collect()
}

async fn archive(connection: &mut PgConnection, tenant: TenantId, keys: &[i64], step: &CleanStep) -> Result<()> {
    let Some(archive_at) = step.archive_at else { return Ok(()) };
    for statement in ARCHIVE {
        sqlx::query(*statement).bind(tenant.0).bind(keys).bind(archive_at).execute(&mut *connection).await?;
    }
    Ok(())
}
