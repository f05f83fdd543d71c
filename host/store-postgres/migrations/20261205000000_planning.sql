-- Statements are planned once for each connection, maybe while the tables are empty, and the plans stay when they have grown. So
-- the right plan has to be the cheapest whatever is known of the tables. Nearly every index begins with the tenant: between the
-- primary key and another index the planner sees no difference as long as it takes a tenant for a small part of a table, and a
-- statement that looks up each row of a batch reads all of the tenant's rows for each.

-- One tenant may be all that there is.
ALTER TABLE dag_runs ALTER COLUMN tenant_id SET (n_distinct = 1);
ALTER TABLE active_runs ALTER COLUMN tenant_id SET (n_distinct = 1);
ALTER TABLE task_instances ALTER COLUMN tenant_id SET (n_distinct = 1);
ALTER TABLE queue ALTER COLUMN tenant_id SET (n_distinct = 1);
ALTER TABLE triggers ALTER COLUMN tenant_id SET (n_distinct = 1);
ALTER TABLE callbacks ALTER COLUMN tenant_id SET (n_distinct = 1);

-- That takes effect when a table is analyzed that has rows. These are gone before anybody sees them; what was found out stays. Each
-- is of another tenant, so that none counts as the most common one and all others as rare.
INSERT INTO tenants (tenant_id, name, policy, created_at) OVERRIDING SYSTEM VALUE
SELECT n, n::text, '{}', now() FROM generate_series(-100, -1) n;
INSERT INTO dags (tenant_id, dag_id, display_name, owner, tags, is_paused, version, max_active_runs, created_at, updated_at)
SELECT n, '-', '-', '-', '{}', true, 1, 1, now(), now() FROM generate_series(-100, -1) n;
INSERT INTO dag_runs (tenant_id, run_key, dag_id, run_id, run_type, state, dag_version, run_after, queued_at, updated_at, conf,
    triggered_by)
OVERRIDING SYSTEM VALUE
SELECT n, n, '-', '-', 'manual', 'queued', 1, now(), now(), now(), '{}', 'test' FROM generate_series(-100, -1) n;
INSERT INTO active_runs (tenant_id, run_key, dag_id, state, run_after)
SELECT n, n, '-', 'queued', now() FROM generate_series(-100, -1) n;
INSERT INTO task_instances (tenant_id, instance_id, run_key, task_id, map_index, try_number, max_tries, operator, pool, pool_slots,
    queue, priority_weight)
SELECT n, gen_random_uuid(), n, '-', -1, 0, 1, '-', '-', 1, '-', 1 FROM generate_series(-100, -1) n;
INSERT INTO queue (tenant_id, instance_id, run_key, dag_id, run_id, task_id, map_index, dag_version, try_number, max_tries,
    reschedules, pool, pool_slots, queue, priority, state)
SELECT n, gen_random_uuid(), n, '-', '-', '-', -1, 1, 1, 1, 0, '-', 1, '-', 1, 'queued' FROM generate_series(-100, -1) n;
INSERT INTO triggers (tenant_id, instance_id, run_key, try_number, definition, created_at)
SELECT tenant_id, instance_id, run_key, 1, '{}', now() FROM task_instances WHERE tenant_id < 0;
INSERT INTO callbacks (tenant_id, callback_id, run_key, dag_id, run_id, dag_version, event, place, about, queue, state, created_at)
SELECT n, gen_random_uuid(), n, '-', '-', 1, 'on_success', 0, '{}', '-', 'queued', now() FROM generate_series(-100, -1) n;
ANALYZE dag_runs (tenant_id), active_runs (tenant_id), task_instances (tenant_id), queue (tenant_id), triggers (tenant_id),
    callbacks (tenant_id);
DELETE FROM queue WHERE tenant_id < 0;
DELETE FROM tenants WHERE tenant_id < 0;

-- The queue and the active runs are empty again and again, and all indexes of an empty table cost the same. So they have one that is
-- for look-ups by name, and the others are for statements that repeat their conditions.
DROP INDEX queue_by_pool;
CREATE INDEX queue_by_pool ON queue (tenant_id, pool) INCLUDE (pool_slots) WHERE pool_slots >= 0;
DROP INDEX active_runs_by_dag;
CREATE INDEX active_runs_by_dag ON active_runs (tenant_id, dag_id, state, run_after) WHERE backfill_id IS NULL;
