-- What an audit afterwards could not see, written down by the database itself while it happens.

CREATE SCHEMA chaos;

-- What limits the load has; `active_tasks` of a DAG counts within a run, `per_dag` of a task over all runs.
CREATE TABLE chaos.edges (dag_id text, task_id text, upstream text);
CREATE TABLE chaos.dag_limits (dag_id text, active_runs bigint, active_tasks bigint);
CREATE TABLE chaos.task_limits (dag_id text, task_id text, per_dag bigint);

-- Runs that the load has changed from outside.
CREATE TABLE chaos.touched (tenant text, dag_id text, run_id text);

-- Limits that did not hold at some moment.
CREATE TABLE chaos.broken (at timestamptz DEFAULT clock_timestamp(), tenant_id bigint, run_key bigint, what text, detail text);

-- Every change of an instance's state, in its order.
CREATE TABLE chaos.moves (
    position bigint GENERATED ALWAYS AS IDENTITY, at timestamptz DEFAULT clock_timestamp(), tx bigint DEFAULT txid_current(),
    tenant_id bigint, run_key bigint, instance_id uuid, task_id text, try_number bigint, old_state text, new_state text
);
CREATE FUNCTION chaos.moved() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO chaos.moves (tenant_id, run_key, instance_id, task_id, try_number, old_state, new_state)
    VALUES (new.tenant_id, new.run_key, new.instance_id, new.task_id, old.try_number, coalesce(old.state, 'none'),
        coalesce(new.state, 'none'));
    RETURN NULL;
END $$;
CREATE TRIGGER moved AFTER UPDATE ON task_instances FOR EACH ROW WHEN (old.state IS DISTINCT FROM new.state)
    EXECUTE FUNCTION chaos.moved();

-- Every beginning of a call of a try, and every try that was put back.
CREATE TABLE chaos.claims (
    tenant_id bigint, run_key bigint, instance_id uuid, try_number bigint, lease_token uuid, put_back boolean DEFAULT false
);
CREATE FUNCTION chaos.claimed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF new.state = 'running' THEN
        INSERT INTO chaos.claims VALUES (new.tenant_id, new.run_key, new.instance_id, new.try_number, new.lease_token);
    ELSE
        UPDATE chaos.claims SET put_back = true WHERE lease_token = old.lease_token;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER claimed AFTER UPDATE ON queue FOR EACH ROW
    WHEN (old.state <> new.state AND (old.state = 'queued' OR new.state = 'queued')) EXECUTE FUNCTION chaos.claimed();

-- Workers whose heartbeats fail for a while. The counter is a sequence, because a refusal takes everything else back.
CREATE TABLE chaos.muted (worker uuid, until timestamptz);
CREATE SEQUENCE chaos.refused;
CREATE FUNCTION chaos.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF EXISTS (SELECT FROM chaos.muted m WHERE m.worker = new.worker AND m.until > clock_timestamp()) THEN
        PERFORM nextval('chaos.refused');
        RAISE EXCEPTION 'no heartbeat of this worker gets through' USING ERRCODE = 'connection_failure';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER refuse BEFORE UPDATE ON queue FOR EACH ROW
    WHEN (old.state = 'running' AND new.state = 'running' AND old.lease_token = new.lease_token AND old.lease_until <> new.lease_until)
    EXECUTE FUNCTION chaos.refuse();

-- The limits, looked at whenever the queue changes: with every try's admission, and with every claim.
CREATE FUNCTION chaos.look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO chaos.broken (tenant_id, what, detail)
    SELECT q.tenant_id, 'pool', q.pool || ': ' || sum(q.pool_slots) || ' of ' || p.slots
    FROM queue q JOIN pools p ON p.tenant_id = q.tenant_id AND p.name = q.pool
    WHERE p.slots >= 0 GROUP BY q.tenant_id, q.pool, p.slots HAVING sum(q.pool_slots) > p.slots;
    INSERT INTO chaos.broken (tenant_id, run_key, what, detail)
    SELECT q.tenant_id, q.run_key, 'max_active_tasks', q.dag_id || ': ' || count(*)
    FROM queue q JOIN chaos.dag_limits l USING (dag_id)
    GROUP BY q.tenant_id, q.run_key, q.dag_id, l.active_tasks HAVING count(*) > l.active_tasks;
    INSERT INTO chaos.broken (tenant_id, what, detail)
    SELECT q.tenant_id, 'max_active_tis_per_dag', q.dag_id || '.' || q.task_id || ': ' || count(*)
    FROM queue q JOIN chaos.task_limits l USING (dag_id, task_id)
    GROUP BY q.tenant_id, q.dag_id, q.task_id, l.per_dag HAVING count(*) > l.per_dag;
    RETURN NULL;
END $$;
CREATE TRIGGER look AFTER INSERT OR UPDATE ON queue FOR EACH STATEMENT EXECUTE FUNCTION chaos.look();

CREATE FUNCTION chaos.look_at_runs() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO chaos.broken (tenant_id, what, detail)
    SELECT a.tenant_id, 'max_active_runs', a.dag_id || ': ' || count(*)
    FROM active_runs a JOIN chaos.dag_limits l USING (dag_id) WHERE a.state = 'running' AND a.backfill_id IS NULL
    GROUP BY a.tenant_id, a.dag_id, l.active_runs HAVING count(*) > l.active_runs;
    RETURN NULL;
END $$;
CREATE TRIGGER look AFTER UPDATE ON active_runs FOR EACH STATEMENT EXECUTE FUNCTION chaos.look_at_runs();

-- What is queued has all of its upstream behind it.
CREATE FUNCTION chaos.look_upstream() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO chaos.broken (tenant_id, run_key, what, detail)
    SELECT new.tenant_id, new.run_key, 'upstream', new.dag_id || '.' || new.task_id || ' before ' || e.upstream
        || coalesce(' (' || i.state || ')', '')
    FROM chaos.edges e JOIN task_instances i ON i.tenant_id = new.tenant_id AND i.run_key = new.run_key AND i.task_id = e.upstream
    WHERE e.dag_id = new.dag_id AND e.task_id = new.task_id AND i.state IS DISTINCT FROM 'success';
    RETURN NULL;
END $$;
CREATE TRIGGER look_upstream AFTER INSERT ON queue FOR EACH ROW EXECUTE FUNCTION chaos.look_upstream();
