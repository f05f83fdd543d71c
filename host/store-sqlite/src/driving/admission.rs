//! What leaves `scheduled` for the queue.

use airlock_store::driving::Admission;
use chrono::{DateTime, Utc};
use sqlx::sqlite::SqliteConnection;
use uuid::Uuid;

use crate::error::Result;
use crate::row::micros;
use airlock_store::support::batch::{AdmissionJson, to_json};

/// Queues these instances; answers those that were as their admission says.
pub async fn admit_all(
    connection: &mut SqliteConnection,
    admissions: &[Admission],
    now: DateTime<Utc>,
) -> Result<Vec<Uuid>> {
    if admissions.is_empty() {
        return Ok(Vec::new());
    }
    let rows = to_json(admissions.iter().map(AdmissionJson::new).collect::<serde_json::Result<Vec<_>>>()?)?;
    let admitted: Vec<Uuid> = sqlx::query_scalar(
        "WITH a (tenant_id, run_key, instance_id, from_try, to_try) AS MATERIALIZED (
             SELECT value ->> 'tenant', value ->> 'run', unhex(value ->> 'instance'), value ->> 'from_try', value ->> 'to_try'
             FROM json_each(?1)
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
         INSERT INTO queue (tenant_id, instance_id, run_key, dag_id, run_id, task_id, map_index, dag_version, try_number,
             max_tries, reschedules, first_started_at, pool, pool_slots, queue, priority, resume, on_execute, clear_number, epoch,
             state)
         SELECT i.tenant_id, i.instance_id, i.run_key, a.value ->> 'dag_id', r.run_id, a.value ->> 'task_id',
             a.value ->> 'map_index', a.value ->> 'dag_version', i.try_number, i.max_tries, i.reschedules, i.first_started_at,
             a.value ->> 'pool', a.value ->> 'pool_slots', a.value ->> 'queue', a.value ->> 'priority', a.value ->> 'resume',
             a.value ->> 'on_execute', r.clear_number, r.epoch, 'queued'
         FROM json_each(?1) a
         CROSS JOIN task_instances i
             ON i.tenant_id = a.value ->> 'tenant' AND i.instance_id = unhex(a.value ->> 'instance')
         CROSS JOIN dag_runs r ON r.run_key = i.run_key
         WHERE i.state = 'queued' AND i.try_number = a.value ->> 'to_try'
         ON CONFLICT DO NOTHING",
    )
    .bind(rows)
    .bind(micros(now))
    .fetch_all(connection)
    .await?;
    Ok(admitted)
}
