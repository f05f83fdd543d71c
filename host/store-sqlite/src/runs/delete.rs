//! A run goes, with all that it had.

use airlock_core::id::TenantId;
use airlock_core::state::RunState;
use airlock_store::StoreError;
use serde_json::Value;
use sqlx::sqlite::SqliteConnection;

use super::read::run_row;
use crate::dags::load::{ChangedDags, refresh};
use crate::error::Result;
use crate::{SqliteStore, begin};

pub async fn delete(store: &SqliteStore, tenant: TenantId, dag_id: &str, run_id: &str) -> Result<bool> {
    let mut writer = store.writer().await;
    let mut transaction = begin(&mut writer).await?;
    let row = sqlx::query("SELECT * FROM dag_runs WHERE tenant_id = ?1 AND dag_id = ?2 AND run_id = ?3")
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
    refresh(&mut transaction, &ChangedDags::from([(tenant.0, dag_id.to_owned())])).await?;
    transaction.commit().await?;
    Ok(true)
}

/// Removes these runs with all that they had.
pub async fn delete_all(connection: &mut SqliteConnection, tenant: TenantId, keys: &[i64]) -> Result<()> {
    let keys = Value::from(keys).to_string();
    // A try can outlive its run where somebody marked the run: its worker is told to stop.
    sqlx::query("DELETE FROM queue WHERE tenant_id = ?1 AND run_key IN (SELECT value FROM json_each(?2))")
        .bind(tenant.0)
        .bind(&keys)
        .execute(&mut *connection)
        .await?;
    sqlx::query("DELETE FROM dag_runs WHERE tenant_id = ?1 AND run_key IN (SELECT value FROM json_each(?2))")
        .bind(tenant.0)
        .bind(&keys)
        .execute(connection)
        .await?;
    Ok(())
}
