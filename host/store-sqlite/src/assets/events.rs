//! Events of assets.

use std::collections::HashMap;

use airlock_core::asset::NewAssetEvent;
use airlock_core::id::{RunKey, TenantId};
use airlock_store::assets::{AssetEventFilter, AssetEventRow};
use airlock_store::runs::RunRow;
use airlock_store::{Page, Paged, StoreError};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::{aliases, queue};
use crate::error::{Failure, Result};
use crate::list::{List, Orders};
use crate::row::{Columns, micros};
use crate::runs::run_row;
use crate::{SqliteStore, begin};

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
pub async fn record(connection: &mut SqliteConnection, events: &[(RunKey, &NewAssetEvent)]) -> Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    let mut rows = Vec::with_capacity(events.len());
    for (run, event) in events {
        let NewAssetEvent { asset, task_id, map_index, source_aliases, .. } = event;
        let [extra, of_asset] = [serde_json::to_string(&event.extra)?, serde_json::to_string(&asset.extra)?];
        let (tenant, at) = (run.tenant.0, micros(event.at));
        let (name, uri, group) = (&asset.name, &asset.uri, &asset.group);
        rows.push(json!([tenant, name, uri, at, run.id, task_id, map_index, extra, source_aliases, group, of_asset]));
    }
    let rows = Value::from(rows).to_string();
    let by_alias = events.iter().any(|(_, event)| !event.source_aliases.is_empty());
    if by_alias {
        aliases::resolve(connection, &rows).await?;
    }
    let written: Vec<i64> = sqlx::query_scalar(
        "INSERT INTO asset_events (tenant_id, asset_id, extra, source_dag_id, source_task_id, source_run_id,
             source_map_index, timestamp, source_aliases)
         SELECT a.tenant_id, a.asset_id, e.value ->> 7, r.dag_id, e.value ->> 5, r.run_id, e.value ->> 6, e.value ->> 3,
             e.value -> 8
         FROM json_each(?1) e
         CROSS JOIN dag_runs r ON r.tenant_id = e.value ->> 0 AND r.run_key = e.value ->> 4
         CROSS JOIN assets a ON a.tenant_id = r.tenant_id AND a.name = e.value ->> 1 AND a.uri = e.value ->> 2
         ORDER BY e.key RETURNING event_id",
    )
    .bind(&rows)
    .fetch_all(&mut *connection)
    .await?;
    if by_alias {
        sqlx::query(
            "INSERT INTO asset_event_aliases (tenant_id, alias_id, timestamp, event_id)
             SELECT e.tenant_id, l.alias_id, e.timestamp, e.event_id FROM json_each(?1) n
             CROSS JOIN asset_events e ON e.event_id = n.value
             CROSS JOIN json_each(e.source_aliases) s
             CROSS JOIN asset_aliases l ON l.tenant_id = e.tenant_id AND l.name = s.value",
        )
        .bind(Value::from(written).to_string())
        .execute(&mut *connection)
        .await?;
    }
    queue::add(connection, &rows).await
}

pub async fn create(
    store: &SqliteStore,
    tenant: TenantId,
    asset_id: i64,
    extra: &Map<String, Value>,
    now: DateTime<Utc>,
) -> Result<AssetEventRow> {
    let mut writer = store.writer().await;
    let mut transaction = begin(&mut writer).await?;
    let event_id: Option<i64> = sqlx::query_scalar(
        "INSERT INTO asset_events (tenant_id, asset_id, extra, source_map_index, timestamp)
         SELECT tenant_id, asset_id, ?3, -1, ?4 FROM assets WHERE tenant_id = ?1 AND asset_id = ?2 RETURNING event_id",
    )
    .bind(tenant.0)
    .bind(asset_id)
    .bind(serde_json::to_string(extra)?)
    .bind(micros(now))
    .fetch_optional(&mut *transaction)
    .await?;
    let event_id = event_id.ok_or_else(|| StoreError::NotFound { what: "asset", key: asset_id.to_string() })?;
    let mut list = List::new(FROM, "e.tenant_id", tenant);
    list.integer("e.event_id = ?", event_id);
    let (rows, _) = list.fetch(&mut transaction, COLUMNS, ORDERS, "e.event_id", &Page::default()).await?;
    let event = with_runs(&mut transaction, tenant, &rows).await?.pop();
    let event = event.ok_or_else(|| Failure::damaged("an event that is not there"))?;
    let rows = json!([[tenant.0, event.name, event.uri, micros(now)]]).to_string();
    queue::add(&mut transaction, &rows).await?;
    transaction.commit().await?;
    Ok(event)
}

pub async fn list(
    store: &SqliteStore,
    tenant: TenantId,
    filter: &AssetEventFilter,
    page: &Page,
) -> Result<Paged<AssetEventRow>> {
    let mut list = List::new(FROM, "e.tenant_id", tenant);
    if let Some(asset_id) = filter.asset_id {
        list.integer("e.asset_id = ?", asset_id);
    }
    if let Some((name, uri)) = &filter.asset {
        list.text("a.name = ?", name);
        list.text("a.uri = ?", uri);
    }
    list.equal(
        "e.event_id IN (SELECT x.event_id FROM asset_aliases l
                        CROSS JOIN asset_event_aliases x ON x.tenant_id = l.tenant_id AND x.alias_id = l.alias_id
                        WHERE l.tenant_id = e.tenant_id AND l.name = ?)",
        filter.source_alias.as_deref(),
    );
    list.like("a.name", &filter.name_pattern);
    list.equal("e.source_dag_id = ?", filter.source_dag_id.as_deref());
    list.equal("e.source_task_id = ?", filter.source_task_id.as_deref());
    list.equal("e.source_run_id = ?", filter.source_run_id.as_deref());
    if let Some(map_index) = filter.source_map_index {
        list.integer("e.source_map_index = ?", map_index.into());
    }
    list.span("e.timestamp", &filter.timestamp);
    let mut reader = store.reader().await;
    let mut snapshot = reader.begin().await?;
    let (rows, total) = list.fetch(&mut snapshot, COLUMNS, ORDERS, "e.event_id", page).await?;
    Ok(Paged { items: with_runs(&mut snapshot, tenant, &rows).await?, total })
}

pub async fn of_run(store: &SqliteStore, run: RunKey) -> Result<Vec<AssetEventRow>> {
    let mut reader = store.reader().await;
    let mut snapshot = reader.begin().await?;
    let rows = sqlx::query(
        "SELECT e.*, a.name, a.uri, a.asset_group FROM asset_event_runs c
         JOIN asset_events e ON e.tenant_id = c.tenant_id AND e.event_id = c.event_id
         JOIN assets a ON a.tenant_id = e.tenant_id AND a.asset_id = e.asset_id
         WHERE c.tenant_id = ?1 AND c.run_key = ?2 ORDER BY e.timestamp, e.event_id",
    )
    .bind(run.tenant.0)
    .bind(run.id)
    .fetch_all(&mut *snapshot)
    .await?;
    with_runs(&mut snapshot, run.tenant, &rows).await
}

/// These events with the runs that followed from them.
async fn with_runs(
    connection: &mut SqliteConnection,
    tenant: TenantId,
    rows: &[SqliteRow],
) -> Result<Vec<AssetEventRow>> {
    let mut events = rows.iter().map(event_row).collect::<Result<Vec<_>>>()?;
    let ids = events.iter().map(|event| event.id).collect::<Value>().to_string();
    let rows = sqlx::query(
        "SELECT r.*, c.event_id, NOT EXISTS (
             SELECT 1 FROM asset_event_runs o JOIN asset_events x ON x.tenant_id = o.tenant_id AND x.event_id = o.event_id
             WHERE o.tenant_id = c.tenant_id AND o.run_key = c.run_key
                 AND (x.timestamp, x.event_id) > (e.timestamp, e.event_id)) AS triggering
         FROM json_each(?2) n
         CROSS JOIN asset_event_runs c ON c.tenant_id = ?1 AND c.event_id = n.value
         JOIN asset_events e ON e.tenant_id = c.tenant_id AND e.event_id = c.event_id
         JOIN dag_runs r ON r.tenant_id = c.tenant_id AND r.run_key = c.run_key
         ORDER BY r.run_key",
    )
    .bind(tenant.0)
    .bind(ids)
    .fetch_all(connection)
    .await?;
    let mut runs: HashMap<i64, Vec<(RunRow, bool)>> = HashMap::new();
    for row in &rows {
        runs.entry(row.integer("event_id")?).or_default().push((run_row(row)?, row.flag("triggering")?));
    }
    for event in &mut events {
        event.created_runs = runs.remove(&event.id).unwrap_or_default();
    }
    Ok(events)
}

fn event_row(row: &SqliteRow) -> Result<AssetEventRow> {
    Ok(AssetEventRow {
        id: row.integer("event_id")?,
        asset_id: row.integer("asset_id")?,
        name: row.text("name")?,
        uri: row.text("uri")?,
        group: row.text("asset_group")?,
        extra: row.json("extra")?,
        source_dag_id: row.optional_text("source_dag_id")?,
        source_task_id: row.optional_text("source_task_id")?,
        source_run_id: row.optional_text("source_run_id")?,
        source_map_index: row.number("source_map_index")?,
        source_aliases: row.json("source_aliases")?,
        partition_key: row.optional_text("partition_key")?,
        timestamp: row.instant("timestamp")?,
        created_runs: Vec::new(),
    })
}
