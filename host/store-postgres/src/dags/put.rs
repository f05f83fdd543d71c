//! A valid document comes in.

use std::sync::Arc;

use airlock_store::StoreError;
use airlock_store::dags::{DagRow, PutDag, PutDagResult};
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::read;
use crate::PostgresStore;
use crate::assets::write_references;
use crate::deadlines::write_alerts;
use crate::error::{Failure, Result};
use crate::row::Columns;

pub async fn put(store: &PostgresStore, put: PutDag<'_>) -> Result<(DagRow, PutDagResult)> {
    let mut transaction = store.begin().await?;
    // Two documents of one DAG come one after the other, also where the DAG is new and has no row to lock.
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended($1, $2))")
        .bind(&put.dag.dag_id)
        .bind(put.tenant.0)
        .execute(&mut *transaction)
        .await?;
    let newest = sqlx::query(
        "SELECT d.version, v.hash FROM dags d JOIN dag_versions v USING (tenant_id, dag_id, version)
         WHERE d.tenant_id = $1 AND d.dag_id = $2",
    )
    .bind(put.tenant.0)
    .bind(&put.dag.dag_id)
    .fetch_optional(&mut *transaction)
    .await?;
    let newest =
        newest.map(|row| Ok::<_, Failure>((row.number::<u32>("version")?, row.get::<String>("hash")?))).transpose()?;
    refuse_unexpected(&put, newest.as_ref().map(|(version, _)| *version))?;
    let result = match &newest {
        None => PutDagResult::Created,
        Some((_, hash)) if hash == put.hash => PutDagResult::Unchanged,
        Some(_) => PutDagResult::Changed,
    };
    if result != PutDagResult::Unchanged {
        let version = newest.map_or(0, |(version, _)| version) + 1;
        write_dag(&mut transaction, &put, version).await?;
        let version_id = write_version(&mut transaction, &put, version).await?;
        write_references(&mut transaction, put.tenant, put.dag, put.now).await?;
        write_alerts(&mut transaction, &put, version).await?;
        store.versions.insert(version_id, Arc::new(put.dag.clone()));
    }
    let row = read::get(store, &mut transaction, put.tenant, &put.dag.dag_id).await?;
    transaction.commit().await?;
    let row = row.ok_or_else(|| Failure::damaged(format!("DAG `{}` has no newest version", put.dag.dag_id)))?;
    Ok((row, result))
}

fn refuse_unexpected(put: &PutDag<'_>, found: Option<u32>) -> Result<()> {
    match put.expected_version {
        Some(expected) if found != Some(expected) => {
            let found = found.map_or("it does not exist".to_owned(), |found| format!("its newest version is {found}"));
            Err(StoreError::Conflict(format!(
                "DAG `{}` was expected at version {expected}, but {found}",
                put.dag.dag_id
            ))
            .into())
        }
        _ => Ok(()),
    }
}

async fn write_dag(connection: &mut PgConnection, put: &PutDag<'_>, version: u32) -> Result<()> {
    let dag = put.dag;
    sqlx::query(
        "INSERT INTO dags (tenant_id, dag_id, display_name, owner, tags, is_paused, version, max_active_runs, created_at,
             updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)
         ON CONFLICT (tenant_id, dag_id) DO UPDATE SET display_name = excluded.display_name, owner = excluded.owner, tags = excluded.tags,
             version = excluded.version, max_active_runs = excluded.max_active_runs, updated_at = excluded.updated_at",
    )
    .bind(put.tenant.0)
    .bind(&dag.dag_id)
    .bind(dag.dag_display_name.as_deref().unwrap_or(&dag.dag_id))
    .bind(&dag.owner)
    .bind(&dag.tags)
    .bind(dag.is_paused_upon_creation)
    .bind(i64::from(version))
    .bind(i64::from(dag.max_active_runs))
    .bind(put.now)
    .execute(connection)
    .await
    .map_err(|error| Failure::from(error).or_missing("tenant", &put.tenant.to_string()))?;
    Ok(())
}

async fn write_version(connection: &mut PgConnection, put: &PutDag<'_>, version: u32) -> Result<Uuid> {
    let version_id = Uuid::new_v4();
    sqlx::query(
        "INSERT INTO dag_versions (tenant_id, dag_id, version, version_id, hash, source, dag, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(put.tenant.0)
    .bind(&put.dag.dag_id)
    .bind(i64::from(version))
    .bind(version_id)
    .bind(put.hash)
    .bind(put.source)
    .bind(serde_json::to_string(put.dag)?)
    .bind(put.now)
    .execute(connection)
    .await?;
    Ok(version_id)
}
