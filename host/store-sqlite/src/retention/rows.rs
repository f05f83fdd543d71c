//! Everything but runs: rows that go by themselves.

use airlock_core::id::{RunKey, TenantId};
use airlock_core::retention::CleanTable;
use airlock_store::retention::{CleanFilter, CleanStep, Cleaned};
use uuid::Uuid;

use super::removable::{asset_events, backfills, dispensable, log, of_dags, tries, versions, xcoms};
use super::{archive, array};
use crate::error::Result;
use crate::row::{Columns, micros};
use crate::{SqliteStore, begin};

/// How rows of one table go.
pub struct Removal {
    cleaned: CleanTable,
    source: &'static str,
    /// Removes rows in the order of their position, from `?5` on and at most `?6`, and answers them, each with its position.
    statement: &'static str,
}

macro_rules! removal {
    ($table:literal, $key:literal, $columns:literal, $position:literal, $returned:literal, $from:expr) => {
        concat!(
            "DELETE FROM ",
            $table,
            " WHERE (",
            $key,
            ") IN (SELECT ",
            $columns,
            " ",
            $from,
            " AND ",
            $position,
            " >= ?5 ORDER BY ",
            $position,
            " LIMIT ?6) RETURNING *, ",
            $returned,
            " AS position"
        )
    };
}

pub const TRIES: Removal = Removal {
    cleaned: CleanTable::TaskInstanceHistory,
    source: "task_tries",
    statement: removal!(
        "task_tries",
        "tenant_id, instance_id, try_number",
        "t.tenant_id, t.instance_id, t.try_number",
        "r.run_key",
        "(SELECT i.run_key FROM task_instances i
          WHERE i.tenant_id = task_tries.tenant_id AND i.instance_id = task_tries.instance_id)",
        tries!()
    ),
};

pub const XCOMS: Removal = Removal {
    cleaned: CleanTable::XCom,
    source: "xcoms",
    statement: removal!("xcoms", "xcom_key", "t.xcom_key", "t.run_key", "run_key", xcoms!()),
};

pub const BACKFILLS: Removal = Removal {
    cleaned: CleanTable::Backfill,
    source: "backfills",
    statement: removal!("backfills", "backfill_id", "t.backfill_id", "t.backfill_id", "backfill_id", backfills!()),
};

pub const ASSET_EVENTS: Removal = Removal {
    cleaned: CleanTable::AssetEvent,
    source: "asset_events",
    statement: removal!("asset_events", "event_id", "t.event_id", "t.event_id", "event_id", asset_events!()),
};

pub const VERSIONS: Removal = Removal {
    cleaned: CleanTable::DagVersion,
    source: "dag_versions",
    statement: removal!(
        "dag_versions",
        "tenant_id, dag_id, version",
        "t.tenant_id, t.dag_id, t.version",
        "t.version",
        "version",
        versions!()
    ),
};

pub const LOG: Removal = Removal {
    cleaned: CleanTable::Log,
    source: "audit_log",
    statement: removal!("audit_log", "entry_id", "t.entry_id", "t.entry_id", "entry_id", log!()),
};

pub async fn remove(
    store: &SqliteStore,
    removal: &Removal,
    tenant: TenantId,
    filter: &CleanFilter,
    step: &CleanStep,
) -> Result<Cleaned> {
    let mut writer = store.writer().await;
    let mut transaction = begin(&mut writer).await?;
    let rows = sqlx::query(removal.statement)
        .bind(tenant.0)
        .bind(micros(filter.before))
        .bind(array(&filter.dag_ids))
        .bind(array(&filter.excluded_dag_ids))
        .bind(step.from)
        .bind(step.limit)
        .fetch_all(&mut *transaction)
        .await?;
    if let Some(archive_at) = step.archive_at {
        archive::keep(&mut transaction, tenant, removal.cleaned, removal.source, &rows, archive_at).await?;
    }
    transaction.commit().await?;
    let mut cleaned = Cleaned { rows: rows.len() as u64, ..Cleaned::default() };
    let mut end = step.from;
    for row in &rows {
        let position = row.integer("position")?;
        end = end.max(position);
        if removal.cleaned == CleanTable::TaskInstanceHistory {
            let instance: Uuid = row.uuid("instance_id")?;
            cleaned.tries.push((RunKey { tenant, id: position }, instance, row.number("try_number")?));
        }
    }
    cleaned.next = (rows.len() >= step.limit as usize).then_some(end);
    Ok(cleaned)
}
