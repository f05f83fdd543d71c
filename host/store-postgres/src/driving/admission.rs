//! What leaves `scheduled` for the queue.

use airlock_store::driving::Admission;
use airlock_store::support::batch::{AdmissionJson, to_json};
use chrono::{DateTime, Utc};
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use crate::error::Result;

/// Queues these instances, in the order of the batch, which is the order of age; answers those that were as their admission
/// says.
pub async fn admit_all(
    connection: &mut PgConnection,
    admissions: &[Admission],
    now: DateTime<Utc>,
) -> Result<Vec<Uuid>> {
    if admissions.is_empty() {
        return Ok(Vec::new());
    }
    let rows = to_json(admissions.iter().map(AdmissionJson::new).collect::<serde_json::Result<Vec<_>>>()?)?;
    let admitted = sqlx::query_scalar(
        "WITH a AS MATERIALIZED (
             SELECT * FROM ROWS FROM (json_to_recordset($1::json) AS (tenant bigint, run bigint, instance uuid,
                 from_try bigint, to_try bigint, dag_id text, task_id text, map_index integer, dag_version bigint, pool text,
                 pool_slots bigint, queue text, priority bigint, resume text, on_execute text))
             WITH ORDINALITY a (tenant, run, instance, from_try, to_try, dag_id, task_id, map_index, dag_version, pool,
                 pool_slots, queue, priority, resume, on_execute, place)
         ), admitted AS (
             UPDATE task_instances AS i
             SET state = 'queued', try_number = a.to_try, queued_at = $2, wake_at = NULL, ended_at = NULL,
                 -- A try that goes on keeps the start of its first call and the count of its reschedules.
                 started_at = CASE a.to_try WHEN a.from_try THEN i.started_at END,
                 first_started_at = CASE a.to_try WHEN a.from_try THEN i.first_started_at END,
                 reschedules = CASE a.to_try WHEN a.from_try THEN i.reschedules ELSE 0 END,
                 rendered_fields = CASE a.to_try WHEN a.from_try THEN i.rendered_fields END,
                 hostname = NULL, message = NULL
             FROM a
             WHERE i.tenant_id = a.tenant AND i.instance_id = a.instance AND i.run_key = a.run
                 AND i.state = 'scheduled' AND i.try_number = a.from_try
             RETURNING i.tenant_id, i.instance_id, i.run_key, i.try_number, i.max_tries, i.reschedules, i.first_started_at
         )
         INSERT INTO queue (tenant_id, instance_id, run_key, dag_id, run_id, task_id, map_index, dag_version, try_number,
             max_tries, reschedules, first_started_at, pool, pool_slots, queue, priority, resume, on_execute, clear_number, epoch,
             state)
         SELECT i.tenant_id, i.instance_id, i.run_key, a.dag_id, r.run_id, a.task_id, a.map_index, a.dag_version,
             i.try_number, i.max_tries, i.reschedules, i.first_started_at, a.pool, a.pool_slots, a.queue, a.priority,
             a.resume::json, a.on_execute::json, r.clear_number, r.epoch, 'queued'
         FROM a
         JOIN admitted i ON i.tenant_id = a.tenant AND i.instance_id = a.instance AND i.try_number = a.to_try
         JOIN dag_runs r ON r.tenant_id = i.tenant_id AND r.run_key = i.run_key
         ORDER BY a.place
         ON CONFLICT DO NOTHING
         RETURNING instance_id",
    )
    .bind(rows)
    .bind(now)
    .fetch_all(connection)
    .await?;
    Ok(admitted)
}
