//! What leaves `scheduled` for the queue.

use airlock_store::driving::Admission;
use chrono::{DateTime, Utc};
use sqlx::sqlite::SqliteConnection;
use uuid::Uuid;

use crate::error::Result;
use crate::row::{batch, micros};
use airlock_store::support::batch::{AdmissionJson, to_json};

/// Queues these instances, and ends the transaction; answers those that were as their admission says.
pub async fn admit_and_commit(
    connection: &mut SqliteConnection,
    admissions: &[Admission],
    now: DateTime<Utc>,
) -> Result<Vec<Uuid>> {
    let rows = to_json(admissions.iter().map(AdmissionJson::new).collect::<serde_json::Result<Vec<_>>>()?)?;
    let admitted: Vec<Uuid> = sqlx::query_scalar(concat!(
        "WITH ",
        batch!("?1"),
        ", a (tenant_id, run_key, instance_id, from_try, to_try) AS MATERIALIZED (
             SELECT row ->> 'tenant', row ->> 'run', unhex(row ->> 'instance'), row ->> 'from_try', row ->> 'to_try' FROM batch
         )
         UPDATE task_instances AS i
         SET state = 'queued', try_number = a.to_try, queued_at = ?2, wake_at = NULL, ended_at = NULL,
             -- A try that goes on keeps the start of its first call and the count of its reschedules.
             started_at = CASE a.to_try WHEN a.from_try THEN i.started_at END,
             first_started_at = CASE a.to_try WHEN a.from_try THEN i.first_started_at END,
             reschedules = CASE a.to_try WHEN a.from_try THEN i.reschedules ELSE 0 END,
             rendered_fields = CASE a.to_try WHEN a.from_try THEN i.rendered_fields END,
             hostname = NULL, message = NULL
         FROM a
         WHERE i.tenant_id = a.tenant_id AND i.instance_id = a.instance_id AND i.run_key = a.run_key
             AND i.state = 'scheduled' AND i.try_number = a.from_try
         RETURNING instance_id;
         -- In the order of the batch, which is the order of age. What the update refused is not queued, or is here already.
         WITH ",
        batch!("?1"),
        " INSERT INTO queue (tenant_id, instance_id, run_key, dag_id, run_id, task_id, map_index, dag_version, try_number,
             max_tries, reschedules, first_started_at, pool, pool_slots, queue, priority, resume, on_execute, clear_number, epoch,
             state)
         SELECT i.tenant_id, i.instance_id, i.run_key, row ->> 'dag_id', r.run_id, row ->> 'task_id', row ->> 'map_index',
             row ->> 'dag_version', i.try_number, i.max_tries, i.reschedules, i.first_started_at, row ->> 'pool',
             row ->> 'pool_slots', row ->> 'queue', row ->> 'priority', row ->> 'resume', row ->> 'on_execute', r.clear_number,
             r.epoch, 'queued'
         FROM batch
         CROSS JOIN task_instances i ON i.tenant_id = row ->> 'tenant' AND i.instance_id = unhex(row ->> 'instance')
         CROSS JOIN dag_runs r ON r.run_key = i.run_key
         WHERE i.state = 'queued' AND i.try_number = row ->> 'to_try'
         ON CONFLICT DO NOTHING;
         COMMIT"
    ))
    .bind(rows)
    .bind(micros(now))
    .fetch_all(connection)
    .await?;
    Ok(admitted)
}
