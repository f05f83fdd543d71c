//! Callbacks become due.

use airlock_core::callback::NewCallback;
use airlock_core::id::RunKey;
use airlock_store::support::batch::{CallbackJson, to_json};
use sqlx::postgres::PgConnection;

use crate::error::Result;

/// Queues callbacks of runs. `dag_version` is given where it is not the run's. One that is there already stays what it is.
pub async fn insert(
    connection: &mut PgConnection,
    due: &[(RunKey, &NewCallback)],
    dag_version: Option<u32>,
) -> Result<()> {
    if due.is_empty() {
        return Ok(());
    }
    let rows = due.iter().map(|(run, new)| CallbackJson::new(*run, dag_version, new));
    sqlx::query(
        "INSERT INTO callbacks (tenant_id, callback_id, run_key, dag_id, run_id, dag_version, event, place, instance_id,
             task_id, map_index, try_number, max_tries, about, queue, state, created_at)
         SELECT r.tenant_id, c.id, r.run_key, r.dag_id, r.run_id, coalesce(c.dag_version, r.dag_version), c.event, c.place,
             c.instance, c.task_id, c.map_index, c.try_number, c.max_tries, c.about::json, c.queue, 'queued',
             '1970-01-01 00:00:00+00'::timestamptz + c.at * '1 microsecond'::interval
         FROM ROWS FROM (json_to_recordset($1::json) AS (tenant bigint, run bigint, id uuid, dag_version bigint, event text,
             place bigint, instance uuid, task_id text, map_index integer, try_number bigint, max_tries bigint, about text,
             queue text, at bigint))
         WITH ORDINALITY c (tenant, run, id, dag_version, event, place, instance, task_id, map_index, try_number, max_tries,
             about, queue, at, ordinal)
         JOIN dag_runs r ON r.tenant_id = c.tenant AND r.run_key = c.run
         ORDER BY c.ordinal
         ON CONFLICT DO NOTHING",
    )
    .bind(to_json(rows.collect::<serde_json::Result<Vec<_>>>()?)?)
    .execute(connection)
    .await?;
    Ok(())
}
