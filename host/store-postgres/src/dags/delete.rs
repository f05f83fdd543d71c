//! A DAG goes, with all that it had.

use airlock_core::id::TenantId;
use airlock_store::StoreError;

use crate::PostgresStore;
use crate::error::Result;

pub async fn delete(store: &PostgresStore, tenant: TenantId, dag_id: &str) -> Result<bool> {
    let mut transaction = store.begin().await?;
    sqlx::query("SELECT FROM dags WHERE tenant_id = $1 AND dag_id = $2 FOR UPDATE")
        .bind(tenant.0)
        .bind(dag_id)
        .execute(&mut *transaction)
        .await?;
    let unfinished: i64 = sqlx::query_scalar("SELECT count(*) FROM active_runs WHERE tenant_id = $1 AND dag_id = $2")
        .bind(tenant.0)
        .bind(dag_id)
        .fetch_one(&mut *transaction)
        .await?;
    if unfinished > 0 {
        return Err(StoreError::Conflict(format!(
            "DAG `{dag_id}` has {unfinished} unfinished runs; let them end, or delete them first"
        ))
        .into());
    }
    // A try can outlive its run where somebody marked the run: its worker is told to stop.
    sqlx::query("DELETE FROM queue WHERE tenant_id = $1 AND dag_id = $2")
        .bind(tenant.0)
        .bind(dag_id)
        .execute(&mut *transaction)
        .await?;
    let deleted = sqlx::query("DELETE FROM dags WHERE tenant_id = $1 AND dag_id = $2")
        .bind(tenant.0)
        .bind(dag_id)
        .execute(&mut *transaction)
        .await?
        .rows_affected();
    transaction.commit().await?;
    Ok(deleted > 0)
}
