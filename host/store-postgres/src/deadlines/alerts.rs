//! What DAG versions set their runs.

use airlock_core::id::TenantId;
use airlock_store::dags::PutDag;
use airlock_store::deadlines::DeadlineAlertRow;
use airlock_store::{Page, Paged};
use sqlx::postgres::{PgConnection, PgRow};
use uuid::Uuid;

use crate::PostgresStore;
use crate::error::Result;
use crate::list::{Bound, List, Orders};
use crate::row::Columns;

const ORDERS: Orders = &[("id", "alert_id"), ("created_at", "created_at"), ("name", "name")];

/// Writes the alerts of a new version.
pub async fn write(connection: &mut PgConnection, put: &PutDag<'_>, version: u32) -> Result<()> {
    for (place, alert) in (0_i64..).zip(&put.dag.deadlines) {
        sqlx::query(
            "INSERT INTO deadline_alerts (tenant_id, dag_id, version, place, alert_id, name, reference_type, reference,
                 interval, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8::json, $9, $10)",
        )
        .bind(put.tenant.0)
        .bind(&put.dag.dag_id)
        .bind(i64::from(version))
        .bind(place)
        .bind(Uuid::now_v7())
        .bind(&alert.name)
        .bind(alert.reference.type_name())
        .bind(serde_json::to_string(&alert.reference)?)
        .bind(alert.interval.0)
        .bind(put.now)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

pub async fn list(
    store: &PostgresStore,
    tenant: TenantId,
    dag_id: &str,
    version: u32,
    page: &Page,
) -> Result<Paged<DeadlineAlertRow>> {
    let mut list = List::new("FROM deadline_alerts", "tenant_id", tenant);
    list.equal("dag_id = ?", Some(dag_id));
    list.condition("version = ?", Bound::Integer(version.into()));
    let (rows, total) = list.fetch(&mut *store.snapshot().await?, "*", ORDERS, "place", page).await?;
    let alert = |row: &PgRow| {
        Ok(DeadlineAlertRow {
            id: row.get("alert_id")?,
            name: row.get("name")?,
            reference_type: row.get("reference_type")?,
            interval: row.get("interval")?,
            created_at: row.get("created_at")?,
        })
    };
    Ok(Paged { items: rows.iter().map(alert).collect::<Result<_>>()?, total })
}
