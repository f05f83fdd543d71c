//! Callbacks become due.

use airlock_core::callback::NewCallback;
use airlock_core::id::RunKey;
use airlock_store::support::batch::{CallbackJson, to_json};
use chrono::{DateTime, Utc};
use sqlx::sqlite::SqliteConnection;

use crate::error::Result;
use crate::row::optional_micros;

/// Queues callbacks of runs. `dag_version` is given where it is not the run's.
pub async fn insert(
    connection: &mut SqliteConnection,
    due: &[(RunKey, &NewCallback)],
    dag_version: Option<u32>,
) -> Result<()> {
    if due.is_empty() {
        return Ok(());
    }
    let rows = due.iter().map(|(run, new)| CallbackJson::new(*run, dag_version, new));
    insert_json(connection, &to_json(rows.collect::<serde_json::Result<Vec<_>>>()?)?, None).await
}

/// The same of a list of [`CallbackJson`]. `at`: when they become due, where that is not what the list says. One that is there
/// already stays what it is.
pub async fn insert_json(connection: &mut SqliteConnection, rows: &str, at: Option<DateTime<Utc>>) -> Result<()> {
    sqlx::query(
        "INSERT INTO callbacks (tenant_id, callback_id, run_key, dag_id, run_id, dag_version, event, place, instance_id,
             task_id, map_index, try_number, max_tries, about, queue, state, created_at)
         SELECT r.tenant_id, unhex(c.value ->> 'id'), r.run_key, r.dag_id, r.run_id,
             coalesce(c.value ->> 'dag_version', r.dag_version), c.value ->> 'event', c.value ->> 'place',
             unhex(c.value ->> 'instance'), c.value ->> 'task_id', c.value ->> 'map_index', c.value ->> 'try_number',
             c.value ->> 'max_tries', c.value ->> 'about', c.value ->> 'queue', 'queued', coalesce(?2, c.value ->> 'at')
         FROM json_each(?1) c
         CROSS JOIN dag_runs r ON r.tenant_id = c.value ->> 'tenant' AND r.run_key = c.value ->> 'run'
         WHERE true ORDER BY c.key
         ON CONFLICT DO NOTHING",
    )
    .bind(rows)
    .bind(optional_micros(at))
    .execute(connection)
    .await?;
    Ok(())
}
