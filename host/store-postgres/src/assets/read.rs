//! Assets as lists show them.

use std::collections::HashMap;

use airlock_core::id::TenantId;
use airlock_store::assets::{AssetFilter, AssetRow, ReferenceRow};
use airlock_store::{Page, Paged};
use sqlx::postgres::{PgConnection, PgRow};

use super::aliases;
use crate::PostgresStore;
use crate::error::Result;
use crate::list::{Bound, List, Orders};
use crate::row::Columns;

const ORDERS: Orders = &[
    ("id", "a.asset_id"),
    ("name", "a.name"),
    ("uri", "a.uri"),
    ("created_at", "a.created_at"),
    ("updated_at", "a.updated_at"),
];

/// With the newest event.
const COLUMNS: &str = "a.*, (SELECT e.event_id FROM asset_events e
                             WHERE e.tenant_id = a.tenant_id AND e.asset_id = a.asset_id
                             ORDER BY e.timestamp DESC, e.event_id DESC LIMIT 1) AS last_event_id,
                       (SELECT max(e.timestamp) FROM asset_events e
                        WHERE e.tenant_id = a.tenant_id AND e.asset_id = a.asset_id) AS last_event_at";

pub async fn get(store: &PostgresStore, tenant: TenantId, id: i64) -> Result<Option<AssetRow>> {
    let mut list = List::new("FROM assets a", "a.tenant_id", tenant);
    list.condition("a.asset_id = ?", Bound::Integer(id));
    Ok(fetch(store, tenant, list, &Page::default()).await?.items.pop())
}

pub async fn list(
    store: &PostgresStore,
    tenant: TenantId,
    filter: &AssetFilter,
    page: &Page,
) -> Result<Paged<AssetRow>> {
    let mut list = List::new("FROM assets a", "a.tenant_id", tenant);
    list.like("a.name", &filter.name_pattern);
    list.like("a.uri", &filter.uri_pattern);
    if filter.only_active {
        list.condition(
            "? = (EXISTS (SELECT FROM asset_references f WHERE f.tenant_id = a.tenant_id AND f.asset_id = a.asset_id)
                  OR EXISTS (SELECT FROM asset_alias_assets x
                             JOIN asset_alias_references f ON f.tenant_id = x.tenant_id AND f.alias_id = x.alias_id
                             WHERE x.tenant_id = a.tenant_id AND x.asset_id = a.asset_id))",
            Bound::Flag(true),
        );
    }
    list.any(
        "a.asset_id IN (SELECT f.asset_id FROM asset_references f WHERE f.tenant_id = a.tenant_id AND f.dag_id = ANY (?))",
        filter.dag_ids.iter().map(String::as_str),
    );
    fetch(store, tenant, list, page).await
}

async fn fetch(store: &PostgresStore, tenant: TenantId, list: List, page: &Page) -> Result<Paged<AssetRow>> {
    let mut snapshot = store.snapshot().await?;
    let (rows, total) = list.fetch(&mut snapshot, COLUMNS, ORDERS, "a.asset_id", page).await?;
    let mut items = rows.iter().map(asset_row).collect::<Result<Vec<_>>>()?;
    let mut references = references(&mut snapshot, tenant, &items).await?;
    let ids: Vec<i64> = items.iter().map(|asset| asset.id).collect();
    let mut aliases = aliases::of_assets(&mut snapshot, tenant, &ids).await?;
    for asset in &mut items {
        asset.references = references.remove(&asset.id).unwrap_or_default();
        asset.aliases = aliases.remove(&asset.id).unwrap_or_default();
    }
    Ok(Paged { items, total })
}

async fn references(
    connection: &mut PgConnection,
    tenant: TenantId,
    assets: &[AssetRow],
) -> Result<HashMap<i64, Vec<ReferenceRow>>> {
    let rows = sqlx::query(
        "SELECT f.* FROM asset_references f WHERE f.tenant_id = $1 AND f.asset_id = ANY ($2)
         ORDER BY f.role, f.dag_id, f.task_id",
    )
    .bind(tenant.0)
    .bind(assets.iter().map(|asset| asset.id).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    let mut references: HashMap<i64, Vec<ReferenceRow>> = HashMap::new();
    for row in &rows {
        references.entry(row.get("asset_id")?).or_default().push(ReferenceRow {
            role: row.name("role")?,
            dag_id: row.get("dag_id")?,
            task_id: row.get("task_id")?,
            created_at: row.get("created_at")?,
            updated_at: row.get("updated_at")?,
        });
    }
    Ok(references)
}

fn asset_row(row: &PgRow) -> Result<AssetRow> {
    Ok(AssetRow {
        id: row.get("asset_id")?,
        name: row.get("name")?,
        uri: row.get("uri")?,
        group: row.get("asset_group")?,
        extra: row.json("extra")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
        references: Vec::new(),
        aliases: Vec::new(),
        last_event: match (row.get("last_event_id")?, row.get("last_event_at")?) {
            (Some(id), Some(at)) => Some((id, at)),
            _ => None,
        },
    })
}
