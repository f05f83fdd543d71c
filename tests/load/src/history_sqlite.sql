-- Runs of both DAGs, one a minute, from the minute $1 to the minute $2 before the first of 2025, with the rows that running them
-- would have left.
INSERT INTO dag_runs (tenant_id, dag_id, run_id, run_type, state, dag_version, logical_date, interval_start, interval_end, run_after,
                      queued_at, started_at, ended_at, updated_at, conf, triggered_by)
WITH RECURSIVE minutes (minute) AS (SELECT $1 UNION ALL SELECT minute + 1 FROM minutes WHERE minute < $2),
               instants AS (SELECT minute, (1735689600 - 60 * minute) * 1000000 AS at FROM minutes)
SELECT dags.tenant_id, dags.dag_id, 'scheduled__' || minute, 'scheduled',
       CASE minute % 20 WHEN 0 THEN 'failed' ELSE 'success' END, 1, at, at, at, at, at, at, at + 1000000, at, '{}', 'timetable'
  FROM instants, dags
 WHERE dags.tenant_id = (SELECT tenant_id FROM tenants WHERE name = 'default') AND dags.dag_id IN ('load', 'only');

INSERT INTO task_instances (tenant_id, instance_id, run_key, task_id, map_index, state, try_number, max_tries, operator, pool,
                            pool_slots, queue, priority_weight, scheduled_at, queued_at, started_at, ended_at, first_started_at,
                            hostname)
WITH RECURSIVE tasks (dag_id, task_id, number) AS (
    SELECT 'only', 'only', 10 UNION ALL SELECT 'load', 't0', 0
    UNION ALL SELECT 'load', 't' || (number + 1), number + 1 FROM tasks WHERE number < 9
)
SELECT tenant_id, unhex(printf('%032x', substr(run_id, 12) * 11 + number)), run_key, task_id, -1, state, 1, 0, 'empty',
       'default_pool', 1, 'default', 1, started_at, started_at, started_at, ended_at, started_at, 'a-worker'
  FROM tasks JOIN dag_runs USING (dag_id)
 WHERE tenant_id = (SELECT tenant_id FROM tenants WHERE name = 'default')
   AND logical_date BETWEEN (1735689600 - 60 * $2) * 1000000 AND (1735689600 - 60 * $1) * 1000000;

INSERT INTO task_tries (tenant_id, instance_id, try_number, state, queued_at, started_at, ended_at, hostname, max_tries)
WITH RECURSIVE numbers (number) AS (SELECT $1 * 11 UNION ALL SELECT number + 1 FROM numbers WHERE number < $2 * 11 + 10)
SELECT tenant_id, instance_id, 1, state, queued_at, started_at, ended_at, hostname, 0
  FROM numbers JOIN task_instances ON instance_id = unhex(printf('%032x', number))
 WHERE tenant_id = (SELECT tenant_id FROM tenants WHERE name = 'default')
