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
         ), fit AS MATERIALIZED (
             SELECT a.*, i.instance_row, r.run_id, r.clear_number, r.epoch
             FROM a
             CROSS JOIN LATERAL (
                 SELECT ctid AS instance_row, * FROM task_instances WHERE tenant_id = a.tenant AND instance_id = a.instance
                 OFFSET 0
             ) i
             CROSS JOIN LATERAL (SELECT * FROM dag_runs WHERE tenant_id = a.tenant AND run_key = a.run OFFSET 0) r
             WHERE i.run_key = a.run AND i.state = 'scheduled' AND i.try_number = a.from_try
         ), admitted AS (
             UPDATE task_instances AS i
             SET state = 'queued', try_number = a.to_try, queued_at = $2, wake_at = NULL, ended_at = NULL,
                 -- A try that goes on keeps the start of its first call and the count of its reschedules.
                 started_at = CASE a.to_try WHEN a.from_try THEN i.started_at END,
                 first_started_at = CASE a.to_try WHEN a.from_try THEN i.first_started_at END,
                 reschedules = CASE a.to_try WHEN a.from_try THEN i.reschedules ELSE 0 END,
                 rendered_fields = CASE a.to_try WHEN a.from_try THEN i.rendered_fields END,
                 hostname = NULL, message = NULL
             -- Somebody may have changed it meanwhile: then this waits, and looks again.
             FROM fit a WHERE i.ctid = a.instance_row AND i.state = 'scheduled' AND i.try_number = a.from_try
             RETURNING a.*, i.max_tries, i.reschedules, i.first_started_at
         )
         INSERT INTO queue (tenant_id, instance_id, run_key, dag_id, run_id, task_id, map_index, dag_version, try_number,
             max_tries, reschedules, first_started_at, pool, pool_slots, queue, priority, resume, on_execute, clear_number, epoch,
             state)
         SELECT tenant, instance, run, dag_id, run_id, task_id, map_index, dag_version, to_try, max_tries, reschedules,
             first_started_at, pool, pool_slots, queue, priority, resume::json, on_execute::json, clear_number, epoch, 'queued'
         FROM admitted ORDER BY place
         ON CONFLICT DO NOTHING
         RETURNING instance_id",
    )
    .bind(rows)
    .bind(now)
    .fetch_all(connection)
    .await?;
    Ok(admitted)
}
