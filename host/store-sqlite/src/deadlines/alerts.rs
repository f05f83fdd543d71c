//! What DAG versions set their runs.

use airlock_core::id::TenantId;
use airlock_store::dags::PutDag;
use airlock_store::deadlines::DeadlineAlertRow;
use airlock_store::{Page, Paged};
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, Row};
use uuid::Uuid;

use crate::SqliteStore;
use crate::error::Result;
use crate::list::{List, Orders};
use crate::row::{Columns, micros};

const ORDERS: Orders = &[("id", "alert_id"), ("created_at", "created_at"), ("name", "name")];

/// Writes the alerts of a new version.
pub async fn write(connection: &mut SqliteConnection, put: &PutDag<'_>, version: u32) -> Result<()> {
    for (place, alert) in (0_u32..).zip(&put.dag.deadlines) {
        sqlx::query(
            "INSERT INTO deadline_alerts (tenant_id, dag_id, version, place, alert_id, name, reference_type, reference,
                 interval, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )
        .bind(put.tenant.0)
        .bind(&put.dag.dag_id)
        .bind(version)
        .bind(place)
        .bind(Uuid::now_v7())
        .bind(&alert.name)
        .bind(alert.reference.type_name())
        .bind(serde_json::to_string(&alert.reference)?)
        .bind(alert.interval.0)
        .bind(micros(put.now))
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

pub async fn list(
    store: &SqliteStore,
    tenant: TenantId,
    dag_id: &str,
    version: u32,
    page: &Page,
) -> Result<Paged<DeadlineAlertRow>> {
    let mut list = List::new("FROM deadline_alerts", "tenant_id", tenant);
    list.text("dag_id = ?", dag_id);
    list.integer("version = ?", version.into());
    let mut reader = store.reader().await;
    let (rows, total) = list.fetch(&mut *reader.begin().await?, "*", ORDERS, "place", page).await?;
    let alert = |row: &sqlx::sqlite::SqliteRow| {
        Ok(DeadlineAlertRow {
            id: row.uuid("alert_id")?,
            name: row.optional_text("name")?,
            reference_type: row.text("reference_type")?,
            interval: row.try_get("interval")?,
            created_at: row.instant("created_at")?,
        })
    };
    Ok(Paged { items: rows.iter().map(alert).collect::<Result<_>>()?, total })
}
