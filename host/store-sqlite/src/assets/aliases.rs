//! Aliases of assets: what DAGs say of them, and what they stand for.

use std::collections::{BTreeMap, HashMap};

use airlock_core::asset::{AssetAlias, Reference};
use airlock_core::id::TenantId;
use airlock_store::assets::AliasRow;
use airlock_store::{Page, Paged, Pattern};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::SqliteStore;
use crate::error::Result;
use crate::list::{List, Orders};
use crate::row::{Columns, micros};

const ORDERS: Orders = &[("id", "l.alias_id"), ("name", "l.name")];

/// Brings what a DAG says of aliases to what its newest version says. Aliases stay when nobody refers to them any more.
pub async fn write(
    connection: &mut SqliteConnection,
    tenant: TenantId,
    dag_id: &str,
    references: &[Reference<'_, AssetAlias>],
    now: DateTime<Utc>,
) -> Result<()> {
    let aliases: BTreeMap<&str, &AssetAlias> = references.iter().map(|one| (one.to.name.as_str(), one.to)).collect();
    if !aliases.is_empty() {
        let rows = aliases.into_values().map(|alias| json!([alias.name, alias.group])).collect::<Value>();
        sqlx::query(
            "INSERT INTO asset_aliases (tenant_id, name, alias_group)
             SELECT ?1, value ->> 0, value ->> 1 FROM json_each(?2) WHERE true
             ON CONFLICT (tenant_id, name) DO UPDATE SET alias_group = CASE excluded.alias_group
                 WHEN 'asset' THEN asset_aliases.alias_group ELSE excluded.alias_group END",
        )
        .bind(tenant.0)
        .bind(rows.to_string())
        .execute(&mut *connection)
        .await?;
    }
    let rows = references.iter().map(|one| json!([one.role, one.task_id, one.to.name])).collect::<Value>().to_string();
    sqlx::query(
        "DELETE FROM asset_alias_references AS f WHERE f.tenant_id = ?1 AND f.dag_id = ?2 AND NOT EXISTS (
             SELECT 1 FROM json_each(?3) n JOIN asset_aliases l ON l.tenant_id = ?1 AND l.name = n.value ->> 2
             WHERE l.alias_id = f.alias_id AND f.role = n.value ->> 0 AND f.task_id = n.value ->> 1)",
    )
    .bind(tenant.0)
    .bind(dag_id)
    .bind(&rows)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "INSERT INTO asset_alias_references (tenant_id, alias_id, role, dag_id, task_id, created_at)
         SELECT ?1, l.alias_id, n.value ->> 0, ?2, n.value ->> 1, ?4 FROM json_each(?3) n
         JOIN asset_aliases l ON l.tenant_id = ?1 AND l.name = n.value ->> 2
         WHERE true ON CONFLICT DO NOTHING",
    )
    .bind(tenant.0)
    .bind(dag_id)
    .bind(&rows)
    .bind(micros(now))
    .execute(connection)
    .await?;
    Ok(())
}

/// Takes note that aliases stand for assets, and makes those that are not known. `rows` is as for [`super::queue::add`].
pub async fn resolve(connection: &mut SqliteConnection, rows: &str) -> Result<()> {
    sqlx::query(
        "INSERT INTO assets (tenant_id, name, uri, asset_group, extra, created_at, updated_at)
         SELECT e.value ->> 0, e.value ->> 1, e.value ->> 2, e.value ->> 9, e.value ->> 10, e.value ->> 3, e.value ->> 3
         FROM json_each(?1) e WHERE json_array_length(e.value, '$[8]') > 0
         ON CONFLICT (tenant_id, name, uri) DO NOTHING",
    )
    .bind(rows)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "INSERT INTO asset_alias_assets (tenant_id, alias_id, asset_id)
         SELECT a.tenant_id, l.alias_id, a.asset_id FROM json_each(?1) e
         CROSS JOIN json_each(e.value, '$[8]') n
         CROSS JOIN assets a ON a.tenant_id = e.value ->> 0 AND a.name = e.value ->> 1 AND a.uri = e.value ->> 2
         CROSS JOIN asset_aliases l ON l.tenant_id = a.tenant_id AND l.name = n.value
         WHERE true ON CONFLICT DO NOTHING",
    )
    .bind(rows)
    .execute(connection)
    .await?;
    Ok(())
}

pub async fn get(store: &SqliteStore, tenant: TenantId, id: i64) -> Result<Option<AliasRow>> {
    let mut list = List::new("FROM asset_aliases l", "l.tenant_id", tenant);
    list.integer("l.alias_id = ?", id);
    Ok(fetch(store, list, &Page::default()).await?.items.pop())
}

pub async fn list(
    store: &SqliteStore,
    tenant: TenantId,
    name_pattern: &Pattern,
    page: &Page,
) -> Result<Paged<AliasRow>> {
    let mut list = List::new("FROM asset_aliases l", "l.tenant_id", tenant);
    list.like("l.name", name_pattern);
    fetch(store, list, page).await
}

async fn fetch(store: &SqliteStore, list: List, page: &Page) -> Result<Paged<AliasRow>> {
    let (rows, total) = list.fetch(&mut *store.reader().await, "l.*", ORDERS, "l.alias_id", page).await?;
    Ok(Paged { items: rows.iter().map(alias_row).collect::<Result<_>>()?, total })
}

/// The aliases that stand for these assets, by asset.
pub async fn of_assets(
    connection: &mut SqliteConnection,
    tenant: TenantId,
    assets: &[i64],
) -> Result<HashMap<i64, Vec<AliasRow>>> {
    let rows = sqlx::query(
        "SELECT x.asset_id, l.* FROM json_each(?2) n
         CROSS JOIN asset_alias_assets x ON x.tenant_id = ?1 AND x.asset_id = n.value
         CROSS JOIN asset_aliases l ON l.tenant_id = x.tenant_id AND l.alias_id = x.alias_id ORDER BY l.alias_id",
    )
    .bind(tenant.0)
    .bind(Value::from(assets).to_string())
    .fetch_all(connection)
    .await?;
    let mut aliases: HashMap<i64, Vec<AliasRow>> = HashMap::new();
    for row in &rows {
        aliases.entry(row.integer("asset_id")?).or_default().push(alias_row(row)?);
    }
    Ok(aliases)
}

fn alias_row(row: &SqliteRow) -> Result<AliasRow> {
    Ok(AliasRow { id: row.integer("alias_id")?, name: row.text("name")?, group: row.text("alias_group")? })
}
