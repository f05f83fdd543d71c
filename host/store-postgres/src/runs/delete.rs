//! A run goes, with all that it had.

use airlock_core::id::TenantId;
use airlock_core::state::RunState;
use airlock_store::StoreError;
use sqlx::postgres::PgConnection;

use super::read::run_row;
use crate::PostgresStore;
use crate::dags::load::{ChangedDags, lock, refresh};
use crate::error::Result;

pub async fn delete(store: &PostgresStore, tenant: TenantId, dag_id: &str, run_id: &str) -> Result<bool> {
    let mut transaction = store.begin().await?;
    let dags = ChangedDags::from([(tenant.0, dag_id.to_owned())]);
    lock(&mut transaction, &dags).await?;
    let row =
        sqlx::query("SELECT * FROM dag_runs WHERE tenant_id = $1 AND dag_id = $2 AND run_id = $3 FOR NO KEY UPDATE")
            .bind(tenant.0)
            .bind(dag_id)
            .bind(run_id)
            .fetch_optional(&mut *transaction)
            .await?;
    let Some(row) = row else { return Ok(false) };
    let run = run_row(&row)?;
    if run.state == RunState::Running {
        return Err(
            StoreError::Conflict(format!("DAG run `{dag_id}/{run_id}` is running; mark it as ended first")).into()
        );
    }
    delete_all(&mut transaction, tenant, &[run.key.id]).await?;
    refresh(&mut transaction, &dags).await?;
    transaction.commit().await?;
    Ok(true)
}

/// Removes these runs with all that they had.
pub async fn delete_all(connection: &mut PgConnection, tenant: TenantId, keys: &[i64]) -> Result<()> {
    // A try can outlive its run where somebody marked the run: its worker is told to stop.
    sqlx::query("DELETE FROM queue WHERE tenant_id = $1 AND run_key = ANY ($2)")
        .bind(tenant.0)
        .bind(keys)
        .execute(&mut *connection)
        .await?;
    sqlx::query("DELETE FROM dag_runs WHERE tenant_id = $1 AND run_key = ANY ($2)")
        .bind(tenant.0)
        .bind(keys)
        .execute(connection)
        .await?;
    Ok(())
}
