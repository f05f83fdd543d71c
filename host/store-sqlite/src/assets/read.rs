//! Assets as lists show them.

use std::collections::HashMap;

use airlock_core::id::TenantId;
use airlock_store::assets::{AssetFilter, AssetRow, ReferenceRow};
use airlock_store::{Page, Paged};
use serde_json::Value;
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::aliases;
use crate::SqliteStore;
use crate::error::Result;
use crate::list::{List, Orders};
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

pub async fn get(store: &SqliteStore, tenant: TenantId, id: i64) -> Result<Option<AssetRow>> {
    let mut list = List::new("FROM assets a", "a.tenant_id", tenant);
    list.integer("a.asset_id = ?", id);
    Ok(fetch(store, tenant, list, &Page::default()).await?.items.pop())
}

pub async fn list(store: &SqliteStore, tenant: TenantId, filter: &AssetFilter, page: &Page) -> Result<Paged<AssetRow>> {
    let mut list = List::new("FROM assets a", "a.tenant_id", tenant);
    list.like("a.name", &filter.name_pattern);
    list.like("a.uri", &filter.uri_pattern);
    if filter.only_active {
        list.condition(
            "(EXISTS (SELECT 1 FROM asset_references f WHERE f.tenant_id = a.tenant_id AND f.asset_id = a.asset_id)
              OR EXISTS (SELECT 1 FROM asset_alias_assets x
                         JOIN asset_alias_references f ON f.tenant_id = x.tenant_id AND f.alias_id = x.alias_id
                         WHERE x.tenant_id = a.tenant_id AND x.asset_id = a.asset_id))",
        );
    }
    list.any(
        "a.asset_id IN (SELECT f.asset_id FROM json_each(?) n CROSS JOIN asset_references f
                        ON f.tenant_id = a.tenant_id AND f.dag_id = n.value)",
        filter.dag_ids.iter().map(String::as_str),
    );
    fetch(store, tenant, list, page).await
}

async fn fetch(store: &SqliteStore, tenant: TenantId, list: List, page: &Page) -> Result<Paged<AssetRow>> {
    let mut reader = store.reader().await;
    let mut snapshot = reader.begin().await?;
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
    connection: &mut SqliteConnection,
    tenant: TenantId,
    assets: &[AssetRow],
) -> Result<HashMap<i64, Vec<ReferenceRow>>> {
    let rows = sqlx::query(
        "SELECT f.* FROM json_each(?2) n CROSS JOIN asset_references f ON f.tenant_id = ?1 AND f.asset_id = n.value
         ORDER BY f.role, f.dag_id, f.task_id",
    )
    .bind(tenant.0)
    .bind(assets.iter().map(|asset| asset.id).collect::<Value>().to_string())
    .fetch_all(connection)
    .await?;
    let mut references: HashMap<i64, Vec<ReferenceRow>> = HashMap::new();
    for row in &rows {
        references.entry(row.integer("asset_id")?).or_default().push(ReferenceRow {
            role: row.name("role")?,
            dag_id: row.text("dag_id")?,
            task_id: row.text("task_id")?,
            created_at: row.instant("created_at")?,
            updated_at: row.instant("updated_at")?,
        });
    }
    Ok(references)
}

fn asset_row(row: &SqliteRow) -> Result<AssetRow> {
    Ok(AssetRow {
        id: row.integer("asset_id")?,
        name: row.text("name")?,
        uri: row.text("uri")?,
        group: row.text("asset_group")?,
        extra: row.json("extra")?,
        created_at: row.instant("created_at")?,
        updated_at: row.instant("updated_at")?,
        references: Vec::new(),
        aliases: Vec::new(),
        last_event: row.optional_integer("last_event_id")?.zip(row.optional_instant("last_event_at")?),
    })
}
