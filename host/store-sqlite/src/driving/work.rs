//! One look for what there is to do.

use airlock_store::driving::Work;
use chrono::{DateTime, Utc};

use super::leases::ENDLESS;
use crate::SqliteStore;
use crate::error::Result;
use crate::row::{Columns, micros};

/// Each of the parts is a look-up at the edge of an index, by a reader.
pub async fn work(store: &SqliteStore, now: DateTime<Utc>) -> Result<Work> {
    let row = sqlx::query(
        "SELECT
             (SELECT min(next_run_after) FROM dags
              WHERE is_paused = 0 AND next_run_after IS NOT NULL AND unfinished_runs < max_active_runs) AS next_run_after,
             (SELECT min(lease_until) FROM active_runs
              WHERE state = 'running' AND owner IS NULL AND lease_until > 0 AND lease_until < ?2) AS rest_until,
             EXISTS (SELECT 1 FROM backfills
                     WHERE completed_at IS NULL AND next_slot IS NOT NULL AND unfinished_runs < max_active_runs + 100)
                 OR EXISTS (SELECT 1 FROM backfills
                            WHERE completed_at IS NULL AND next_slot IS NULL AND unfinished_runs = 0) AS backfills,
             EXISTS (SELECT 1 FROM asset_queue WHERE is_fresh = 1) AS asset_turns,
             EXISTS (SELECT 1 FROM active_runs WHERE state = 'running' AND lease_until <= ?1)
                 OR EXISTS (SELECT 1 FROM triggers t
                            CROSS JOIN active_runs a ON a.tenant_id = t.tenant_id AND a.run_key = t.run_key
                            WHERE t.ended_at IS NOT NULL AND a.state = 'running' AND a.owner IS NULL)
                 OR EXISTS (SELECT 1 FROM dags
                            WHERE is_paused = 0 AND first_queued IS NOT NULL AND running_runs < max_active_runs
                                AND first_queued <= ?1)
                 OR EXISTS (SELECT 1 FROM backfills b JOIN dags d ON d.tenant_id = b.tenant_id AND d.dag_id = b.dag_id
                            WHERE b.completed_at IS NULL AND b.is_paused = 0 AND b.first_queued IS NOT NULL
                                AND b.running_runs < b.max_active_runs AND d.is_paused = 0) AS runs,
             EXISTS (SELECT 1 FROM triggers WHERE ended_at IS NOT NULL) AS ended_triggers",
    )
    .bind(micros(now))
    .bind(ENDLESS)
    .fetch_one(&mut *store.reader().await)
    .await?;
    let next_run = row.optional_instant("next_run_after")?;
    let rest_until = row.optional_instant("rest_until")?;
    Ok(Work {
        next_due: next_run.into_iter().chain(rest_until).min(),
        due_dags: next_run.is_some_and(|due| due <= now),
        backfills: row.flag("backfills")?,
        asset_turns: row.flag("asset_turns")?,
        runs: row.flag("runs")?,
        ended_triggers: row.flag("ended_triggers")?,
    })
}
