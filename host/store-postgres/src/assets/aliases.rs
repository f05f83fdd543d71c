//! Aliases of assets: what DAGs say of them, and what they stand for.

use std::collections::{BTreeMap, HashMap};

use airlock_core::asset::{AssetAlias, Reference};
use airlock_core::id::TenantId;
use airlock_store::assets::AliasRow;
use airlock_store::{Page, Paged, Pattern};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::postgres::{PgConnection, PgRow};

use crate::PostgresStore;
use crate::error::Result;
use crate::list::{Bound, List, Orders};
use crate::row::Columns;

const ORDERS: Orders = &[("id", "l.alias_id"), ("name", "l.name")];

/// Brings what a DAG says of aliases to what its newest version says. Aliases stay when nobody refers to them any more.
pub async fn write(
    connection: &mut PgConnection,
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
             SELECT $1, n ->> 0, n ->> 1 FROM json_array_elements($2::json) n
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
        "DELETE FROM asset_alias_references AS f WHERE f.tenant_id = $1 AND f.dag_id = $2 AND NOT EXISTS (
             SELECT FROM json_array_elements($3::json) n JOIN asset_aliases l ON l.tenant_id = $1 AND l.name = n ->> 2
             WHERE l.alias_id = f.alias_id AND f.role = n ->> 0 AND f.task_id = n ->> 1)",
    )
    .bind(tenant.0)
    .bind(dag_id)
    .bind(&rows)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "INSERT INTO asset_alias_references (tenant_id, alias_id, role, dag_id, task_id, created_at)
         SELECT $1, l.alias_id, n ->> 0, $2, n ->> 1, $4 FROM json_array_elements($3::json) n
         JOIN asset_aliases l ON l.tenant_id = $1 AND l.name = n ->> 2
         ON CONFLICT DO NOTHING",
    )
    .bind(tenant.0)
    .bind(dag_id)
    .bind(&rows)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// Takes note that aliases stand for assets, and makes those that are not known. `rows` is as for [`super::queue::add`].
pub async fn resolve(connection: &mut PgConnection, rows: &str) -> Result<()> {
    sqlx::query(
        "INSERT INTO assets (tenant_id, name, uri, asset_group, extra, created_at, updated_at)
         SELECT (e ->> 0)::bigint, e ->> 1, e ->> 2, e ->> 9, (e ->> 10)::json, instant((e ->> 3)::bigint),
             instant((e ->> 3)::bigint)
         FROM json_array_elements($1::json) e WHERE json_array_length(e -> 8) > 0
         -- In one order everywhere, so that two commits never wait for each other.
         ORDER BY 1, 2, 3
         ON CONFLICT (tenant_id, name, uri) DO NOTHING",
    )
    .bind(rows)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "INSERT INTO asset_alias_assets (tenant_id, alias_id, asset_id)
         SELECT a.tenant_id, l.alias_id, a.asset_id FROM json_array_elements($1::json) e
         CROSS JOIN json_array_elements_text(e -> 8) n
         JOIN assets a ON a.tenant_id = (e ->> 0)::bigint AND a.name = e ->> 1 AND a.uri = e ->> 2
         JOIN asset_aliases l ON l.tenant_id = a.tenant_id AND l.name = n
         ORDER BY 1, 2, 3 ON CONFLICT DO NOTHING",
    )
    .bind(rows)
    .execute(connection)
    .await?;
    Ok(())
}

pub async fn get(store: &PostgresStore, tenant: TenantId, id: i64) -> Result<Option<AliasRow>> {
    let mut list = List::new("FROM asset_aliases l", "l.tenant_id", tenant);
    list.condition("l.alias_id = ?", Bound::Integer(id));
    Ok(fetch(store, list, &Page::default()).await?.items.pop())
}

pub async fn list(
    store: &PostgresStore,
    tenant: TenantId,
    name_pattern: &Pattern,
    page: &Page,
) -> Result<Paged<AliasRow>> {
    let mut list = List::new("FROM asset_aliases l", "l.tenant_id", tenant);
    list.like("l.name", name_pattern);
    fetch(store, list, page).await
}

async fn fetch(store: &PostgresStore, list: List, page: &Page) -> Result<Paged<AliasRow>> {
    let (rows, total) = list.fetch(&mut *store.connection().await?, "l.*", ORDERS, "l.alias_id", page).await?;
    Ok(Paged { items: rows.iter().map(alias_row).collect::<Result<_>>()?, total })
}

/// The aliases that stand for these assets, by asset.
pub async fn of_assets(
    connection: &mut PgConnection,
    tenant: TenantId,
    assets: &[i64],
) -> Result<HashMap<i64, Vec<AliasRow>>> {
    let rows = sqlx::query(
        "SELECT x.asset_id, l.* FROM asset_alias_assets x
         JOIN asset_aliases l ON l.tenant_id = x.tenant_id AND l.alias_id = x.alias_id
         WHERE x.tenant_id = $1 AND x.asset_id = ANY ($2) ORDER BY l.alias_id",
    )
    .bind(tenant.0)
    .bind(assets)
    .fetch_all(connection)
    .await?;
    let mut aliases: HashMap<i64, Vec<AliasRow>> = HashMap::new();
    for row in &rows {
        aliases.entry(row.get("asset_id")?).or_default().push(alias_row(row)?);
    }
    Ok(aliases)
}

fn alias_row(row: &PgRow) -> Result<AliasRow> {
    Ok(AliasRow { id: row.get("alias_id")?, name: row.get("name")?, group: row.get("alias_group")? })
}
