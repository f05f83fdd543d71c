//! Events of assets.

use std::collections::HashMap;

use airlock_core::asset::NewAssetEvent;
use airlock_core::id::{RunKey, TenantId};
use airlock_store::assets::{AssetEventFilter, AssetEventRow};
use airlock_store::runs::RunRow;
use airlock_store::{Page, Paged, StoreError};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use sqlx::postgres::{PgConnection, PgRow};

use super::{aliases, queue};
use crate::PostgresStore;
use crate::error::{Failure, Result};
use crate::list::{Bound, List, Orders};
use crate::row::Columns;
use crate::runs::run_row;

const ORDERS: Orders = &[
    ("id", "e.event_id"),
    ("timestamp", "e.timestamp"),
    ("source_dag_id", "e.source_dag_id"),
    ("source_task_id", "e.source_task_id"),
    ("source_run_id", "e.source_run_id"),
    ("source_map_index", "e.source_map_index"),
];

const COLUMNS: &str = "e.*, a.name, a.uri, a.asset_group";

const FROM: &str = "FROM asset_events e JOIN assets a ON a.tenant_id = e.tenant_id AND a.asset_id = e.asset_id";

/// Writes what the success of task instances brings about.
pub async fn record(connection: &mut PgConnection, events: &[(RunKey, &NewAssetEvent)]) -> Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    let mut rows = Vec::with_capacity(events.len());
    for (run, event) in events {
        let NewAssetEvent { asset, task_id, map_index, source_aliases, .. } = event;
        let [extra, of_asset] = [serde_json::to_string(&event.extra)?, serde_json::to_string(&asset.extra)?];
        let (tenant, at) = (run.tenant.0, event.at.timestamp_micros());
        let (name, uri, group) = (&asset.name, &asset.uri, &asset.group);
        rows.push(json!([tenant, name, uri, at, run.id, task_id, map_index, extra, source_aliases, group, of_asset]));
    }
    let rows = Value::from(rows).to_string();
    let by_alias = events.iter().any(|(_, event)| !event.source_aliases.is_empty());
    if by_alias {
        aliases::resolve(connection, &rows).await?;
    }
    sqlx::query(
        "WITH written AS (
         INSERT INTO asset_events (tenant_id, asset_id, extra, source_dag_id, source_task_id, source_run_id,
             source_map_index, timestamp, source_aliases)
         SELECT a.tenant_id, a.asset_id, (e ->> 7)::json, r.dag_id, e ->> 5, r.run_id, (e ->> 6)::integer,
             instant((e ->> 3)::bigint), ARRAY (SELECT json_array_elements_text(e -> 8))
         FROM json_array_elements($1::json) WITH ORDINALITY n (e, place)
         JOIN dag_runs r ON r.tenant_id = (e ->> 0)::bigint AND r.run_key = (e ->> 4)::bigint
         JOIN assets a ON a.tenant_id = r.tenant_id AND a.name = e ->> 1 AND a.uri = e ->> 2
         ORDER BY place
         RETURNING tenant_id, event_id, timestamp, source_aliases)
         INSERT INTO asset_event_aliases (tenant_id, alias_id, timestamp, event_id)
         SELECT w.tenant_id, l.alias_id, w.timestamp, w.event_id FROM written w CROSS JOIN unnest(w.source_aliases) s
         JOIN asset_aliases l ON l.tenant_id = w.tenant_id AND l.name = s",
    )
    .bind(&rows)
    .execute(&mut *connection)
    .await?;
    queue::add(connection, &rows).await
}

pub async fn create(
    store: &PostgresStore,
    tenant: TenantId,
    asset_id: i64,
    extra: &Map<String, Value>,
    now: DateTime<Utc>,
) -> Result<AssetEventRow> {
    let mut transaction = store.begin().await?;
    let event_id: Option<i64> = sqlx::query_scalar(
        "INSERT INTO asset_events (tenant_id, asset_id, extra, source_map_index, timestamp)
         SELECT tenant_id, asset_id, $3::json, -1, $4 FROM assets WHERE tenant_id = $1 AND asset_id = $2 RETURNING event_id",
    )
    .bind(tenant.0)
    .bind(asset_id)
    .bind(serde_json::to_string(extra)?)
    .bind(now)
    .fetch_optional(&mut *transaction)
    .await?;
    let event_id = event_id.ok_or_else(|| StoreError::NotFound { what: "asset", key: asset_id.to_string() })?;
    let mut list = List::new(FROM, "e.tenant_id", tenant);
    list.condition("e.event_id = ?", Bound::Integer(event_id));
    let (rows, _) = list.fetch(&mut transaction, COLUMNS, ORDERS, "e.event_id", &Page::default()).await?;
    let event = with_runs(&mut transaction, tenant, &rows).await?.pop();
    let event = event.ok_or_else(|| Failure::damaged("an event that is not there"))?;
    let rows = json!([[tenant.0, event.name, event.uri, now.timestamp_micros()]]).to_string();
    queue::add(&mut transaction, &rows).await?;
    transaction.commit().await?;
    Ok(event)
}

pub async fn list(
    store: &PostgresStore,
    tenant: TenantId,
    filter: &AssetEventFilter,
    page: &Page,
) -> Result<Paged<AssetEventRow>> {
    let mut list = List::new(FROM, "e.tenant_id", tenant);
    if let Some(asset_id) = filter.asset_id {
        list.condition("e.asset_id = ?", Bound::Integer(asset_id));
    }
    if let Some((name, uri)) = &filter.asset {
        list.equal("a.name = ?", Some(name));
        list.equal("a.uri = ?", Some(uri));
    }
    list.equal(
        "e.event_id IN (SELECT x.event_id FROM asset_aliases l
                        JOIN asset_event_aliases x ON x.tenant_id = l.tenant_id AND x.alias_id = l.alias_id
                        WHERE l.tenant_id = e.tenant_id AND l.name = ?)",
        filter.source_alias.as_deref(),
    );
    list.like("a.name", &filter.name_pattern);
    list.equal("e.source_dag_id = ?", filter.source_dag_id.as_deref());
    list.equal("e.source_task_id = ?", filter.source_task_id.as_deref());
    list.equal("e.source_run_id = ?", filter.source_run_id.as_deref());
    if let Some(map_index) = filter.source_map_index {
        list.condition("e.source_map_index = ?", Bound::Integer(map_index.into()));
    }
    list.span("e.timestamp", &filter.timestamp);
    let mut snapshot = store.snapshot().await?;
    let (rows, total) = list.fetch(&mut snapshot, COLUMNS, ORDERS, "e.event_id", page).await?;
    Ok(Paged { items: with_runs(&mut snapshot, tenant, &rows).await?, total })
}

pub async fn of_run(store: &PostgresStore, run: RunKey) -> Result<Vec<AssetEventRow>> {
    let mut snapshot = store.snapshot().await?;
    let rows = sqlx::query(
        "SELECT e.*, a.name, a.uri, a.asset_group FROM asset_event_runs c
         JOIN asset_events e ON e.tenant_id = c.tenant_id AND e.event_id = c.event_id
         JOIN assets a ON a.tenant_id = e.tenant_id AND a.asset_id = e.asset_id
         WHERE c.tenant_id = $1 AND c.run_key = $2 ORDER BY e.timestamp, e.event_id",
    )
    .bind(run.tenant.0)
    .bind(run.id)
    .fetch_all(&mut *snapshot)
    .await?;
    with_runs(&mut snapshot, run.tenant, &rows).await
}

/// These events with the runs that followed from them.
async fn with_runs(connection: &mut PgConnection, tenant: TenantId, rows: &[PgRow]) -> Result<Vec<AssetEventRow>> {
    let mut events = rows.iter().map(event_row).collect::<Result<Vec<_>>>()?;
    let ids: Vec<i64> = events.iter().map(|event| event.id).collect();
    let rows = sqlx::query(
        "SELECT r.*, c.event_id, NOT EXISTS (
             SELECT FROM asset_event_runs o JOIN asset_events x ON x.tenant_id = o.tenant_id AND x.event_id = o.event_id
             WHERE o.tenant_id = c.tenant_id AND o.run_key = c.run_key
                 AND (x.timestamp, x.event_id) > (e.timestamp, e.event_id)) AS triggering
         FROM asset_event_runs c
         JOIN asset_events e ON e.tenant_id = c.tenant_id AND e.event_id = c.event_id
         JOIN dag_runs r ON r.tenant_id = c.tenant_id AND r.run_key = c.run_key
         WHERE c.tenant_id = $1 AND c.event_id = ANY ($2) ORDER BY r.run_key",
    )
    .bind(tenant.0)
    .bind(ids)
    .fetch_all(connection)
    .await?;
    let mut runs: HashMap<i64, Vec<(RunRow, bool)>> = HashMap::new();
    for row in &rows {
        runs.entry(row.get("event_id")?).or_default().push((run_row(row)?, row.get("triggering")?));
    }
    for event in &mut events {
        event.created_runs = runs.remove(&event.id).unwrap_or_default();
    }
    Ok(events)
}

fn event_row(row: &PgRow) -> Result<AssetEventRow> {
    Ok(AssetEventRow {
        id: row.get("event_id")?,
        asset_id: row.get("asset_id")?,
        name: row.get("name")?,
        uri: row.get("uri")?,
        group: row.get("asset_group")?,
        extra: row.json("extra")?,
        source_dag_id: row.get("source_dag_id")?,
        source_task_id: row.get("source_task_id")?,
        source_run_id: row.get("source_run_id")?,
        source_map_index: row.get("source_map_index")?,
        source_aliases: row.get("source_aliases")?,
        partition_key: row.get("partition_key")?,
        timestamp: row.get("timestamp")?,
        created_runs: Vec::new(),
    })
}
