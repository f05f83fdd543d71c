-- A statement for each invariant, after a line `-- name`: what it answers breaks the invariant.

-- every DAG was run to its end, unhindered
SELECT DISTINCT d.dag_id FROM dags d
WHERE NOT EXISTS (SELECT FROM chaos.runs r WHERE r.dag_id = d.dag_id AND r.state = 'success' AND NOT r.touched)

-- the witnesses were awake
SELECT what FROM (
    SELECT 'moves' AS what, count(*) FROM chaos.moves UNION ALL SELECT 'claims', count(*) FROM chaos.claims
    UNION ALL SELECT 'lost tries', count(*) FROM task_tries WHERE cause = 'lost'
    UNION ALL SELECT 'touched runs', count(*) FROM chaos.runs WHERE touched
    UNION ALL SELECT 'queued tasks with an upstream', count(*) FROM chaos.moves m
        JOIN dag_runs r USING (tenant_id, run_key) JOIN chaos.edges e USING (dag_id, task_id) WHERE m.new_state = 'queued'
    UNION ALL SELECT 'refused heartbeats', count(*) FROM chaos.refused WHERE is_called
) seen WHERE count = 0

-- every run has ended
SELECT dag_id || '/' || run_id || ' is ' || state FROM dag_runs WHERE state NOT IN ('success', 'failed')

-- every backfill has ended
SELECT dag_id || ': ' || backfill_id FROM backfills WHERE completed_at IS NULL

-- no queue row, lease, trigger or callback is left over
SELECT 'queue: ' || dag_id || '/' || run_id || '.' || task_id || ' ' || state FROM queue
UNION ALL SELECT 'active run: ' || dag_id || ' ' || run_key FROM active_runs
UNION ALL SELECT 'trigger: ' || run_key || ' ' || definition FROM triggers
UNION ALL SELECT 'callback: ' || dag_id || '/' || run_id || ' ' || event || ' ' || state FROM callbacks WHERE ended_at IS NULL

-- what is counted of DAGs is true
SELECT dag_id || ': ' || unfinished_runs || ' ' || running_runs || ' ' || coalesce(first_queued::text, '') FROM dags
WHERE unfinished_runs <> 0 OR running_runs <> 0 OR first_queued IS NOT NULL

-- every task of an ended run has ended
SELECT r.dag_id || '/' || r.run_id || '.' || i.task_id || '[' || i.map_index || '] is ' || coalesce(i.state, 'none')
FROM task_instances i JOIN dag_runs r USING (tenant_id, run_key)
WHERE i.state IS NULL OR i.state NOT IN ('success', 'failed', 'skipped', 'upstream_failed', 'removed')

-- every try that began has a record of its end
SELECT DISTINCT r.dag_id || '/' || r.run_id || '.' || i.task_id || '[' || i.map_index || '] try ' || c.try_number
FROM chaos.claims c JOIN task_instances i USING (tenant_id, instance_id) JOIN dag_runs r ON r.tenant_id = i.tenant_id AND r.run_key = i.run_key
LEFT JOIN task_tries t ON t.tenant_id = c.tenant_id AND t.instance_id = c.instance_id AND t.try_number = c.try_number
WHERE NOT c.put_back AND t.ended_at IS NULL

-- no try was settled twice
SELECT instance_id || ' (' || min(task_id) || ') try ' || try_number || ': ' || string_agg(old_state || '->' || new_state, ', ' ORDER BY position)
FROM chaos.moves WHERE old_state IN ('running', 'restarting', 'deferred', 'up_for_reschedule')
    AND new_state IN ('success', 'failed', 'skipped', 'up_for_retry')
GROUP BY tenant_id, instance_id, try_number HAVING count(*) > 1

-- no pool was ever over its slots
SELECT at || ' ' || detail FROM chaos.broken WHERE what = 'pool'

-- max_active_tasks held
SELECT at || ' ' || detail FROM chaos.broken WHERE what = 'max_active_tasks'

-- max_active_tis_per_dag held
SELECT at || ' ' || detail FROM chaos.broken WHERE what = 'max_active_tis_per_dag'

-- max_active_runs held
SELECT at || ' ' || detail FROM chaos.broken WHERE what = 'max_active_runs'

-- no task was queued before its upstream had succeeded
SELECT b.at || ' ' || r.run_id || ': ' || b.detail FROM chaos.broken b JOIN chaos.runs r USING (tenant_id, run_key)
WHERE b.what = 'upstream' AND NOT r.touched

-- no task moved as the state machine does not
SELECT r.dag_id || '/' || r.run_id || '.' || m.task_id || ': ' || m.old_state || ' -> ' || m.new_state
FROM chaos.moves m JOIN chaos.runs r USING (tenant_id, run_key)
LEFT JOIN chaos.transitions t ON t.old_state = m.old_state AND t.new_state = CASE m.new_state WHEN 'queued' THEN 'scheduled' ELSE m.new_state END
LEFT JOIN chaos.transitions u ON u.old_state = m.old_state AND u.new_state = m.new_state
WHERE NOT r.touched AND t.old_state IS NULL AND u.old_state IS NULL

-- every success has a record of a try that succeeded
SELECT r.dag_id || '/' || r.run_id || '.' || i.task_id || '[' || i.map_index || ']'
FROM task_instances i JOIN chaos.runs r USING (tenant_id, run_key)
LEFT JOIN task_tries t ON t.tenant_id = i.tenant_id AND t.instance_id = i.instance_id AND t.try_number = i.try_number
WHERE NOT r.touched AND i.state = 'success' AND (t.state IS DISTINCT FROM 'success' OR t.lease_token IS NULL)

-- every success has exactly the XCom of its try
SELECT r.dag_id || '/' || r.run_id || '.' || i.task_id || '[' || i.map_index || ']: ' || coalesce(x.value::text, 'nothing')
FROM task_instances i JOIN chaos.runs r USING (tenant_id, run_key)
LEFT JOIN xcoms x ON x.tenant_id = i.tenant_id AND x.run_key = i.run_key AND x.task_id = i.task_id
    AND x.map_index = i.map_index AND x.key = 'return_value'
WHERE NOT r.touched AND i.state = 'success' AND i.operator LIKE 'bash%'
    AND x.value #>> '{}' IS DISTINCT FROM format('%s/%s/%s/%s', r.run_id, i.task_id, i.map_index, i.try_number)

-- no task was tried more often than its retries allow
SELECT r.dag_id || '/' || r.run_id || '.' || i.task_id || ': ' || i.try_number || ' of ' || i.max_tries + 1
FROM task_instances i JOIN chaos.runs r USING (tenant_id, run_key) WHERE NOT r.touched AND i.try_number > i.max_tries + 1

-- a run's state follows from its tasks
SELECT r.dag_id || '/' || r.run_id || ' is ' || r.state FROM chaos.runs r
WHERE NOT r.touched AND (r.state = 'success') = EXISTS (
    SELECT FROM task_instances i WHERE i.tenant_id = r.tenant_id AND i.run_key = r.run_key AND i.state IN ('failed', 'upstream_failed'))

-- the callbacks of tries are due once, and no others
(SELECT 'missing: ' || r.run_id || ' ' || e.event || ' ' || e.try_number FROM chaos.due e JOIN chaos.runs r USING (tenant_id, run_key)
 WHERE NOT EXISTS (SELECT FROM callbacks c WHERE c.tenant_id = e.tenant_id AND c.instance_id = e.instance_id AND c.event = e.event
    AND c.try_number = e.try_number))
UNION ALL
SELECT 'too many: ' || run_id || ' ' || event || ' ' || try_number || ': ' || count(*) FROM callbacks WHERE instance_id IS NOT NULL
GROUP BY tenant_id, run_id, instance_id, event, try_number HAVING count(*) > 1

-- callbacks have succeeded, or were called three times
SELECT dag_id || '/' || run_id || ' ' || event || ': ' || coalesce(message, '') FROM callbacks WHERE state = 'failed' AND attempts < 3
