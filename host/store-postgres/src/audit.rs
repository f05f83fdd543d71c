//! Who did what.

use airlock_core::id::TenantId;
use airlock_store::audit::{Audit, AuditEntry, AuditFilter, AuditRow};
use airlock_store::runs::Span;
use airlock_store::{Page, Paged, StoreResult};
use async_trait::async_trait;
use sqlx::postgres::PgRow;

use crate::PostgresStore;
use crate::error::{Failure, Result};
use crate::list::{Bound, List, Orders};
use crate::row::Columns;

const ORDERS: Orders = &[
    ("id", "entry_id"),
    ("when", "at"),
    ("dag_id", "dag_id"),
    ("task_id", "task_id"),
    ("run_id", "run_id"),
    ("event", "event"),
    ("owner", "owner"),
    ("extra", "extra"),
];

#[async_trait]
impl Audit for PostgresStore {
    async fn add_audit(&self, tenant: TenantId, entry: &AuditEntry) -> StoreResult<()> {
        let insert = sqlx::query(
            "INSERT INTO audit_log (tenant_id, at, event, dag_id, run_id, task_id, map_index, try_number, owner, extra)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        )
        .bind(tenant.0)
        .bind(entry.at)
        .bind(&entry.event)
        .bind(&entry.dag_id)
        .bind(&entry.run_id)
        .bind(&entry.task_id)
        .bind(entry.map_index)
        .bind(entry.try_number.map(i64::from))
        .bind(&entry.owner)
        .bind(&entry.extra);
        insert
            .execute(&mut *self.connection().await?)
            .await
            .map_err(|error| Failure::from(error).or_missing("tenant", &tenant.to_string()))?;
        Ok(())
    }

    async fn audit(&self, tenant: TenantId, id: i64) -> StoreResult<Option<AuditRow>> {
        let select = sqlx::query("SELECT * FROM audit_log WHERE tenant_id = $1 AND entry_id = $2");
        let row = select.bind(tenant.0).bind(id).fetch_optional(&mut *self.connection().await?).await;
        Ok(row.map_err(Failure::from)?.as_ref().map(audit_row).transpose()?)
    }

    async fn list_audit(&self, tenant: TenantId, filter: &AuditFilter, page: &Page) -> StoreResult<Paged<AuditRow>> {
        Ok(list(self, tenant, filter, page).await?)
    }
}

async fn list(store: &PostgresStore, tenant: TenantId, filter: &AuditFilter, page: &Page) -> Result<Paged<AuditRow>> {
    let mut list = List::new("FROM audit_log", "tenant_id", tenant);
    list.equal("dag_id = ?", filter.dag_id.as_deref());
    list.equal("run_id = ?", filter.run_id.as_deref());
    list.equal("task_id = ?", filter.task_id.as_deref());
    list.equal("owner = ?", filter.owner.as_deref());
    if let Some(map_index) = filter.map_index {
        list.condition("map_index = ?", Bound::Integer(map_index.into()));
    }
    if let Some(try_number) = filter.try_number {
        list.condition("try_number = ?", Bound::Integer(try_number.into()));
    }
    list.any("event = ANY (?)", filter.included_events.iter().map(String::as_str));
    list.any("event <> ALL (?)", filter.excluded_events.iter().map(String::as_str));
    list.span("at", &Span { gt: filter.after, lt: filter.before, ..Span::default() });
    list.like("dag_id", &filter.dag_id_pattern);
    list.like("run_id", &filter.run_id_pattern);
    list.like("task_id", &filter.task_id_pattern);
    list.like("owner", &filter.owner_pattern);
    list.like("event", &filter.event_pattern);
    let mut snapshot = store.snapshot().await?;
    let (rows, total) = list.fetch(&mut snapshot, "*", ORDERS, "entry_id", page).await?;
    Ok(Paged { items: rows.iter().map(audit_row).collect::<Result<_>>()?, total })
}

fn audit_row(row: &PgRow) -> Result<AuditRow> {
    let try_number: Option<i64> = row.get("try_number")?;
    let entry = AuditEntry {
        at: row.get("at")?,
        event: row.get("event")?,
        dag_id: row.get("dag_id")?,
        run_id: row.get("run_id")?,
        task_id: row.get("task_id")?,
        map_index: row.get("map_index")?,
        try_number: try_number.and_then(|number| u32::try_from(number).ok()),
        owner: row.get("owner")?,
        extra: row.get("extra")?,
    };
    Ok(AuditRow { id: row.get("entry_id")?, entry })
}
