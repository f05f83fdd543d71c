-- Runs of both DAGs, one a minute, from the minute $1 to the minute $2 before the first of 2025, with the rows that running them
-- would have left.
INSERT INTO dag_runs (tenant_id, dag_id, run_id, run_type, state, dag_version, logical_date, interval_start, interval_end, run_after,
                      queued_at, started_at, ended_at, updated_at, conf, triggered_by)
SELECT dags.tenant_id, dags.dag_id, 'scheduled__' || minute, 'scheduled',
       CASE minute % 20 WHEN 0 THEN 'failed' ELSE 'success' END, 1, at, at, at, at, at, at, at + interval '1 second', at, '{}',
       'timetable'
  FROM generate_series($1::bigint, $2::bigint) AS minute,
       LATERAL (SELECT timestamptz '2025-01-01 00:00Z' - minute * interval '1 minute' AS at) AS instants,
       dags
 WHERE dags.tenant_id = (SELECT tenant_id FROM tenants WHERE name = 'default') AND dags.dag_id IN ('load', 'only');

INSERT INTO task_instances (tenant_id, instance_id, run_key, task_id, map_index, state, try_number, max_tries, operator, pool,
                            pool_slots, queue, priority_weight, scheduled_at, queued_at, started_at, ended_at, first_started_at,
                            hostname)
SELECT tenant_id, lpad(to_hex(substr(run_id, 12)::bigint * 11 + number), 32, '0')::uuid, run_key, task_id, -1, state, 1, 0,
       'empty', 'default_pool', 1, 'default', 1, started_at, started_at, started_at, ended_at, started_at, 'a-worker'
  FROM (SELECT 'only' AS dag_id, 'only' AS task_id, 10 AS number
        UNION ALL SELECT 'load', 't' || number, number FROM generate_series(0, 9) AS number) AS tasks
  JOIN dag_runs USING (dag_id)
 WHERE tenant_id = (SELECT tenant_id FROM tenants WHERE name = 'default')
   AND logical_date BETWEEN timestamptz '2025-01-01 00:00Z' - $2::bigint * interval '1 minute'
                        AND timestamptz '2025-01-01 00:00Z' - $1::bigint * interval '1 minute';

INSERT INTO task_tries (tenant_id, instance_id, try_number, state, queued_at, started_at, ended_at, hostname, max_tries)
SELECT tenant_id, instance_id, 1, state, queued_at, started_at, ended_at, hostname, 0
  FROM generate_series($1::bigint * 11, $2::bigint * 11 + 10) AS number
  JOIN task_instances ON instance_id = lpad(to_hex(number), 32, '0')::uuid
 WHERE tenant_id = (SELECT tenant_id FROM tenants WHERE name = 'default')
