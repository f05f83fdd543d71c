//! What DAGs say of assets.

use std::collections::BTreeMap;

use airlock_core::asset::{Asset, DagLinks, LinkTarget, Reference, references};
use airlock_core::dag::Dag;
use airlock_core::id::TenantId;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::postgres::PgConnection;

use super::aliases;
use crate::PostgresStore;
use crate::error::Result;
use crate::row::Columns;

/// Brings the references of a DAG to what its newest version says, and has its queue looked at anew.
pub async fn write(connection: &mut PgConnection, tenant: TenantId, dag: &Dag, now: DateTime<Utc>) -> Result<()> {
    let references = references(dag);
    aliases::write(connection, tenant, &dag.dag_id, &references.aliases, now).await?;
    let references = references.assets;
    write_assets(connection, tenant, &references, now).await?;
    let rows = references.iter().map(|one| json!([one.role, one.task_id, one.to.name, one.to.uri]));
    let rows = rows.collect::<Value>().to_string();
    sqlx::query(
        "DELETE FROM asset_references AS f WHERE f.tenant_id = $1 AND f.dag_id = $2 AND NOT EXISTS (
             SELECT FROM json_array_elements($3::json) n
             JOIN assets a ON a.tenant_id = $1 AND a.name = n ->> 2 AND a.uri = n ->> 3
             WHERE a.asset_id = f.asset_id AND f.role = n ->> 0 AND f.task_id = n ->> 1)",
    )
    .bind(tenant.0)
    .bind(&dag.dag_id)
    .bind(&rows)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "INSERT INTO asset_references (tenant_id, asset_id, role, dag_id, task_id, created_at, updated_at)
         SELECT $1, a.asset_id, n ->> 0, $2, n ->> 1, $4, $4 FROM json_array_elements($3::json) n
         JOIN assets a ON a.tenant_id = $1 AND a.name = n ->> 2 AND a.uri = n ->> 3
         ON CONFLICT (tenant_id, asset_id, role, dag_id, task_id) DO UPDATE SET updated_at = excluded.updated_at",
    )
    .bind(tenant.0)
    .bind(&dag.dag_id)
    .bind(&rows)
    .bind(now)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "DELETE FROM asset_queue WHERE tenant_id = $1 AND dag_id = $2 AND asset_id NOT IN (
             SELECT asset_id FROM asset_references WHERE tenant_id = $1 AND dag_id = $2 AND role = 'schedule'
             UNION ALL
             SELECT x.asset_id FROM asset_alias_references f
             JOIN asset_alias_assets x ON x.tenant_id = f.tenant_id AND x.alias_id = f.alias_id
             WHERE f.tenant_id = $1 AND f.dag_id = $2 AND f.role = 'schedule')",
    )
    .bind(tenant.0)
    .bind(&dag.dag_id)
    .execute(&mut *connection)
    .await?;
    sqlx::query("UPDATE asset_queue SET is_fresh = true WHERE tenant_id = $1 AND dag_id = $2")
        .bind(tenant.0)
        .bind(&dag.dag_id)
        .execute(connection)
        .await?;
    Ok(())
}

/// Assets stay when nobody refers to them any more: their events do.
async fn write_assets(
    connection: &mut PgConnection,
    tenant: TenantId,
    references: &[Reference<'_, Asset>],
    now: DateTime<Utc>,
) -> Result<()> {
    let assets: BTreeMap<_, _> = references.iter().map(|one| (one.to.key(), one.to)).collect();
    if assets.is_empty() {
        return Ok(());
    }
    let mut rows = Vec::with_capacity(assets.len());
    for asset in assets.into_values() {
        rows.push(json!([asset.name, asset.uri, asset.group, serde_json::to_string(&asset.extra)?]));
    }
    // A reference by URI alone knows nothing of group and extra.
    sqlx::query(
        "INSERT INTO assets (tenant_id, name, uri, asset_group, extra, created_at, updated_at)
         SELECT $1, n ->> 0, n ->> 1, n ->> 2, (n ->> 3)::json, $3, $3 FROM json_array_elements($2::json) n
         ON CONFLICT (tenant_id, name, uri) DO UPDATE SET updated_at = excluded.updated_at,
             asset_group = CASE excluded.asset_group WHEN 'asset' THEN assets.asset_group ELSE excluded.asset_group END,
             extra = CASE excluded.extra::text WHEN '{}' THEN assets.extra ELSE excluded.extra END",
    )
    .bind(tenant.0)
    .bind(Value::from(rows).to_string())
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

pub async fn links(store: &PostgresStore, tenant: TenantId) -> Result<Vec<DagLinks>> {
    let rows = sqlx::query(
        "SELECT f.dag_id, f.role, false AS is_alias, a.asset_id AS id, a.name FROM asset_references f
         JOIN assets a ON a.tenant_id = f.tenant_id AND a.asset_id = f.asset_id WHERE f.tenant_id = $1
         UNION
         SELECT f.dag_id, f.role, true, l.alias_id, l.name FROM asset_alias_references f
         JOIN asset_aliases l ON l.tenant_id = f.tenant_id AND l.alias_id = f.alias_id WHERE f.tenant_id = $1
         UNION
         SELECT f.dag_id, f.role, false, a.asset_id, a.name FROM asset_alias_references f
         JOIN asset_alias_assets x ON x.tenant_id = f.tenant_id AND x.alias_id = f.alias_id
         JOIN assets a ON a.tenant_id = x.tenant_id AND a.asset_id = x.asset_id
         WHERE f.tenant_id = $1 AND f.role = 'outlet'
         ORDER BY 1, 3, 4, 2",
    )
    .bind(tenant.0)
    .fetch_all(&mut *store.connection().await?)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(DagLinks {
                dag_id: row.get("dag_id")?,
                role: row.name("role")?,
                target: if row.get("is_alias")? { LinkTarget::Alias } else { LinkTarget::Asset },
                id: row.get("id")?,
                name: row.get("name")?,
            })
        })
        .collect()
}
