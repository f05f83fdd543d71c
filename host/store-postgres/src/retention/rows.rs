//! Everything but runs: rows that go by themselves.

use airlock_core::id::{RunKey, TenantId};
use airlock_store::retention::{CleanFilter, CleanStep, Cleaned};

use super::removable::{asset_events, backfills, dispensable, log, of_dags, tries, versions, xcoms};
use crate::PostgresStore;
use crate::error::Result;
use crate::row::Columns;

/// Removes rows of `$table` in the order of `$position`, from `$5` on and at most `$6`, and archives them as of `$7` unless that
/// is null; answers the `$columns` and the position of each.
macro_rules! removal {
    ($cleaned:literal, $table:literal, $columns:literal, $position:literal, $from:expr) => {
        concat!(
            "WITH doomed AS MATERIALIZED (SELECT ",
            $columns,
            ", ",
            $position,
            " AS position ",
            $from,
            " AND ",
            $position,
            " >= $5 ORDER BY position LIMIT $6 FOR UPDATE OF t SKIP LOCKED), gone AS (DELETE FROM ",
            $table,
            " AS t WHERE t.tenant_id = $1 AND (",
            $columns,
            ") IN (SELECT ",
            $columns,
            " FROM doomed t) RETURNING t.*), archived AS (
                 INSERT INTO archived_rows (tenant_id, archived_at, cleaned, source, content)
                 SELECT $1, $7, '",
            $cleaned,
            "', '",
            $table,
            "', row_to_json(gone) FROM gone WHERE $7::timestamptz IS NOT NULL)
             SELECT * FROM doomed ORDER BY position"
        )
    };
}

pub const TRIES: &str =
    removal!("task_instance_history", "task_tries", "t.instance_id, t.try_number", "r.run_key", tries!());
pub const XCOMS: &str = removal!("xcom", "xcoms", "t.run_key, t.task_id, t.map_index, t.key", "t.run_key", xcoms!());
pub const BACKFILLS: &str = removal!("backfill", "backfills", "t.backfill_id", "t.backfill_id", backfills!());
pub const ASSET_EVENTS: &str = removal!("asset_event", "asset_events", "t.event_id", "t.event_id", asset_events!());
pub const VERSIONS: &str = removal!("dag_version", "dag_versions", "t.dag_id, t.version", "t.version", versions!());
pub const LOG: &str = removal!("log", "audit_log", "t.entry_id", "t.entry_id", log!());

/// Runs one of the statements above.
pub async fn remove(
    store: &PostgresStore,
    statement: &'static str,
    tenant: TenantId,
    filter: &CleanFilter,
    step: &CleanStep,
) -> Result<Cleaned> {
    let rows = sqlx::query(statement)
        .bind(tenant.0)
        .bind(filter.before)
        .bind(&filter.dag_ids)
        .bind(&filter.excluded_dag_ids)
        .bind(step.from)
        .bind(i64::from(step.limit))
        .bind(step.archive_at)
        .fetch_all(&mut *store.connection().await?)
        .await?;
    let mut cleaned = Cleaned { rows: rows.len() as u64, ..Cleaned::default() };
    for row in &rows {
        let position = row.get("position")?;
        if statement == TRIES {
            let run = RunKey { tenant, id: position };
            cleaned.tries.push((run, row.get("instance_id")?, row.number("try_number")?));
        }
        cleaned.next = (rows.len() >= step.limit as usize).then_some(position);
    }
    Ok(cleaned)
}
