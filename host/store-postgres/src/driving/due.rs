//! DAGs whose next run is due, and the opening of it.

use airlock_store::dags::NextRun;
use airlock_store::driving::DueDag;
use airlock_store::runs::{NewRun, RunRow};
use chrono::{DateTime, Utc};

use crate::PostgresStore;
use crate::dags::{DAG_COLUMNS_FROM, dag_row};
use crate::error::Result;
use crate::runs::{insert, run_row};

pub async fn due_dags(store: &PostgresStore, now: DateTime<Utc>, limit: u32) -> Result<Vec<DueDag>> {
    let mut snapshot = store.snapshot().await?;
    let rows = sqlx::query(concat!(
        DAG_COLUMNS_FROM!(),
        " WHERE NOT d.is_paused AND d.next_run_after IS NOT NULL AND d.unfinished_runs < d.max_active_runs
              AND d.next_run_after <= $1
          ORDER BY d.next_run_after LIMIT $2"
    ))
    .bind(now)
    .bind(i64::from(limit))
    .fetch_all(&mut *snapshot)
    .await?;
    let mut due_dags = Vec::with_capacity(rows.len());
    for row in &rows {
        let row = dag_row(store, &mut snapshot, row).await?;
        if let Some(due) = row.next_run.clone() {
            due_dags.push(DueDag { row, due });
        }
    }
    Ok(due_dags)
}

pub async fn open_run(
    store: &PostgresStore,
    due: &DueDag,
    run: Option<&NewRun>,
    next: Option<&NextRun>,
) -> Result<Option<RunRow>> {
    let mut transaction = store.begin().await?;
    let moved_on = sqlx::query(
        "UPDATE dags SET next_run_after = $3, next_logical_date = $4, next_start = $5, next_end = $6
         WHERE tenant_id = $1 AND dag_id = $2 AND NOT is_paused AND version = $7 AND next_run_after = $8
             AND next_logical_date IS NOT DISTINCT FROM $9
             AND next_start IS NOT DISTINCT FROM $10 AND next_end IS NOT DISTINCT FROM $11",
    )
    .bind(due.row.tenant.0)
    .bind(&due.row.dag_id)
    .bind(next.map(|next| next.run_after))
    .bind(next.and_then(|next| next.logical_date))
    .bind(next.and_then(|next| next.data_interval).map(|(start, _)| start))
    .bind(next.and_then(|next| next.data_interval).map(|(_, end)| end))
    .bind(i64::from(due.row.version))
    .bind(due.due.run_after)
    .bind(due.due.logical_date)
    .bind(due.due.data_interval.map(|(start, _)| start))
    .bind(due.due.data_interval.map(|(_, end)| end))
    .execute(&mut *transaction)
    .await?
    .rows_affected();
    let opened = match run {
        Some(run) if moved_on > 0 => match insert(&mut transaction, run, None).await? {
            Some(opened) => Some(opened),
            None => existing(&mut transaction, run).await?,
        },
        _ => None,
    };
    transaction.commit().await?;
    Ok(opened)
}

/// The run that has this run's id, or else its logical date.
async fn existing(connection: &mut sqlx::PgConnection, run: &NewRun) -> Result<Option<RunRow>> {
    let row = sqlx::query(
        "SELECT * FROM dag_runs WHERE tenant_id = $1 AND dag_id = $2 AND (run_id = $3 OR logical_date = $4)
         ORDER BY (run_id = $3) DESC LIMIT 1",
    )
    .bind(run.tenant.0)
    .bind(&run.dag_id)
    .bind(&run.run_id)
    .bind(run.logical_date)
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(run_row).transpose()
}
