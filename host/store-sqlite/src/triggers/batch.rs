//! What a batch of changes means for triggers: some begin to wait, some do not wait any more, and some are worth a look.

use airlock_store::support::Waits;
use airlock_store::support::batch::{TriggerJson, instance_names, run_names, to_json};
use chrono::{DateTime, Utc};
use sqlx::sqlite::SqliteConnection;

use crate::error::Result;
use crate::row::micros;

/// What somebody waits for who waits for a run or for its tasks. `RETURNING` knows a table by its own name only.
macro_rules! topics_of_run {
    ($run:literal) => {
        concat!(
            "'run:' || ",
            $run,
            ".dag_id || ':' || ",
            $run,
            ".run_id, 'date:' || ",
            $run,
            ".dag_id || ':' || ",
            $run,
            ".logical_date"
        )
    };
}
pub(crate) use topics_of_run;

/// Comes after the moves. Answers whether there are triggers to be looked at that were not before.
pub async fn apply_waits(connection: &mut SqliteConnection, waits: &Waits<'_>, now: DateTime<Utc>) -> Result<bool> {
    if !waits.over.is_empty() {
        sqlx::query(
            "DELETE FROM triggers WHERE trigger_id IN (
                 SELECT t.trigger_id FROM json_each(?1) n
                 CROSS JOIN triggers t ON t.tenant_id = n.value ->> 0 AND t.instance_id = unhex(n.value ->> 1)
                 CROSS JOIN task_instances i ON i.tenant_id = t.tenant_id AND i.instance_id = t.instance_id
                 WHERE i.state IS NOT 'deferred')",
        )
        .bind(instance_names(waits.over.iter().copied()))
        .execute(&mut *connection)
        .await?;
    }
    let mut due = false;
    if !waits.begun.is_empty() {
        let rows: Vec<_> =
            waits.begun.iter().map(|(run, new)| TriggerJson::new(*run, new)).collect::<serde_json::Result<_>>()?;
        sqlx::query(
            "INSERT INTO triggers (tenant_id, instance_id, run_key, try_number, definition, topic, created_at, next_look_at)
             SELECT i.tenant_id, i.instance_id, i.run_key, i.try_number, n.value ->> 'trigger', n.value ->> 'topic',
                 n.value ->> 'created_at', n.value ->> 'next_look_at'
             FROM json_each(?1) n
             CROSS JOIN task_instances i ON i.tenant_id = n.value ->> 'tenant'
                 AND i.instance_id = unhex(n.value ->> 'instance') AND i.run_key = n.value ->> 'run'
                 AND i.try_number = n.value ->> 'try_number' AND i.state = 'deferred'",
        )
        .bind(to_json(rows)?)
        .execute(&mut *connection)
        .await?;
        due = waits.begun.iter().any(|(_, new)| new.first_look().is_some());
    }
    if !waits.ended.is_empty() {
        // A look that is under way may have been too early to see it: it does not count any more.
        let touched = sqlx::query(concat!(
            "UPDATE triggers SET next_look_at = ?2, lease_token = NULL WHERE trigger_id IN (
                 SELECT t.trigger_id FROM json_each(?1) n
                 CROSS JOIN dag_runs r ON r.tenant_id = n.value ->> 0 AND r.run_key = n.value ->> 1
                 CROSS JOIN triggers t ON t.tenant_id = r.tenant_id AND t.topic IN (",
            topics_of_run!("r"),
            ") WHERE t.ended_at IS NULL)"
        ))
        .bind(run_names(&waits.ended))
        .bind(micros(now))
        .execute(&mut *connection)
        .await?
        .rows_affected();
        due |= touched > 0;
    }
    Ok(due)
}
