//! One look for what there is to do.

use airlock_store::driving::Work;
use chrono::{DateTime, Utc};

use crate::PostgresStore;
use crate::error::Result;
use crate::row::Columns;

/// Each of the parts is a look-up at the edge of an index.
pub async fn work(store: &PostgresStore, now: DateTime<Utc>) -> Result<Work> {
    let row = sqlx::query(
        "SELECT
             (SELECT min(next_run_after) FROM dags
              WHERE NOT is_paused AND next_run_after IS NOT NULL AND unfinished_runs < max_active_runs) AS next_run_after,
             (SELECT min(lease_until) FROM active_runs
              WHERE state = 'running' AND owner IS NULL AND lease_until < 'infinity') AS rest_until,
             EXISTS (SELECT FROM backfills
                     WHERE completed_at IS NULL AND next_slot IS NOT NULL AND unfinished_runs < max_active_runs + 100)
                 OR EXISTS (SELECT FROM backfills
                            WHERE completed_at IS NULL AND next_slot IS NULL AND unfinished_runs = 0) AS backfills,
             EXISTS (SELECT FROM asset_queue WHERE is_fresh) AS asset_turns,
             EXISTS (SELECT FROM active_runs WHERE state = 'running' AND (lease_until IS NULL OR lease_until <= $1))
                 OR EXISTS (SELECT FROM triggers t JOIN active_runs a USING (tenant_id, run_key)
                            WHERE t.ended_at IS NOT NULL AND a.state = 'running' AND a.owner IS NULL)
                 OR EXISTS (SELECT FROM dags
                            WHERE NOT is_paused AND first_queued IS NOT NULL AND running_runs < max_active_runs
                                AND first_queued <= $1)
                 OR EXISTS (SELECT FROM backfills b JOIN dags d USING (tenant_id, dag_id)
                            WHERE b.completed_at IS NULL AND NOT b.is_paused AND b.first_queued IS NOT NULL
                                AND b.running_runs < b.max_active_runs AND NOT d.is_paused) AS runs,
             EXISTS (SELECT FROM triggers WHERE ended_at IS NOT NULL) AS ended_triggers",
    )
    .bind(now)
    .fetch_one(&mut *store.connection().await?)
    .await?;
    let next_run: Option<DateTime<Utc>> = row.get("next_run_after")?;
    let rest_until: Option<DateTime<Utc>> = row.get("rest_until")?;
    Ok(Work {
        next_due: next_run.into_iter().chain(rest_until).min(),
        due_dags: next_run.is_some_and(|due| due <= now),
        backfills: row.get("backfills")?,
        asset_turns: row.get("asset_turns")?,
        runs: row.get("runs")?,
        ended_triggers: row.get("ended_triggers")?,
    })
}
