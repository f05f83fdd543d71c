-- JSON that is only handed back is `json`, which keeps its order and all of Unicode, as `jsonb` would not. Every key starts with
-- the tenant, so that one tenant's rows lie together and foreign keys cannot cross tenants. Only the indexes that serve a search
-- over all tenants (due DAGs, free leases, tokens) start with something else. Names compare by their bytes (`COLLATE "C"`), so
-- that lists are in the same order everywhere.

-- Batches carry instants as microseconds since 1970.
CREATE FUNCTION instant(microseconds bigint) RETURNS timestamptz LANGUAGE sql STABLE STRICT PARALLEL SAFE
    RETURN timestamptz 'epoch' + microseconds * interval '1 microsecond';

CREATE TABLE tenants (
    tenant_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text COLLATE "C" NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 63),
    policy     json NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE TABLE users (
    tenant_id      bigint NOT NULL REFERENCES tenants ON DELETE CASCADE,
    username       text COLLATE "C" NOT NULL,
    password_hash  text NOT NULL,
    role           text NOT NULL CHECK (role IN ('viewer', 'user', 'op', 'admin')),
    platform_admin boolean NOT NULL,
    created_at     timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, username)
);

CREATE TABLE tokens (
    tenant_id      bigint NOT NULL,
    token_id       uuid NOT NULL,
    username       text COLLATE "C" NOT NULL,
    name           text NOT NULL,
    role           text NOT NULL CHECK (role IN ('viewer', 'user', 'op', 'admin')),
    platform_admin boolean NOT NULL,
    hash           bytea NOT NULL CHECK (length(hash) = 32),
    created_at     timestamptz NOT NULL,
    expires_at     timestamptz,
    PRIMARY KEY (tenant_id, token_id),
    FOREIGN KEY (tenant_id, username) REFERENCES users ON DELETE CASCADE
);
-- A request comes with a token and nothing else: the token names its tenant.
CREATE UNIQUE INDEX tokens_by_hash ON tokens (hash);
CREATE INDEX tokens_by_user ON tokens (tenant_id, username);
CREATE INDEX tokens_by_expiry ON tokens (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE variables (
    tenant_id   bigint NOT NULL REFERENCES tenants ON DELETE CASCADE,
    key         text COLLATE "C" NOT NULL,
    value       bytea NOT NULL,
    description text,
    PRIMARY KEY (tenant_id, key)
);

CREATE TABLE connections (
    tenant_id   bigint NOT NULL REFERENCES tenants ON DELETE CASCADE,
    conn_id     text COLLATE "C" NOT NULL,
    conn_type   text COLLATE "C" NOT NULL,
    description text,
    host        text COLLATE "C",
    login       text,
    schema      text,
    port        integer CHECK (port BETWEEN 0 AND 65535),
    password    bytea,
    extra       bytea,
    PRIMARY KEY (tenant_id, conn_id)
);

CREATE TABLE pools (
    tenant_id        bigint NOT NULL REFERENCES tenants ON DELETE CASCADE,
    name             text COLLATE "C" NOT NULL,
    slots            bigint NOT NULL CHECK (slots >= -1),
    description      text,
    include_deferred boolean NOT NULL,
    PRIMARY KEY (tenant_id, name)
);

CREATE TABLE operators (
    tenant_id        bigint NOT NULL REFERENCES tenants ON DELETE CASCADE,
    name             text COLLATE "C" NOT NULL,
    version          text COLLATE "C" NOT NULL,
    digest           text COLLATE "C" NOT NULL,
    size             bigint NOT NULL,
    kind             text NOT NULL CHECK (kind IN ('action', 'sensor', 'branch', 'short_circuit')),
    summary          text NOT NULL,
    documentation    text,
    arguments_schema json NOT NULL,
    template_fields  json NOT NULL,
    imports          json NOT NULL,
    yanked           boolean NOT NULL,
    uploaded_by      text,
    uploaded_at      timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, name, version)
);
CREATE INDEX operators_by_digest ON operators (digest, tenant_id);

CREATE TABLE dags (
    tenant_id         bigint NOT NULL REFERENCES tenants ON DELETE CASCADE,
    dag_id            text COLLATE "C" NOT NULL CHECK (length(dag_id) BETWEEN 1 AND 250),
    display_name      text COLLATE "C" NOT NULL,
    owner             text COLLATE "C" NOT NULL,
    tags              text[] COLLATE "C" NOT NULL,
    is_paused         boolean NOT NULL,
    version           bigint NOT NULL CHECK (version >= 1),
    max_active_runs   bigint NOT NULL,
    next_run_after    timestamptz,
    next_logical_date timestamptz,
    next_start        timestamptz,
    next_end          timestamptz,
    -- What `active_runs` says of this DAG, so that finding runs to make and to start are look-ups (`dags_due`, `dags_to_start`):
    -- how many are unfinished, how many of them are running, and when the first queued one is due. Written together with
    -- `active_runs`, by one function.
    unfinished_runs   bigint NOT NULL DEFAULT 0,
    running_runs      bigint NOT NULL DEFAULT 0,
    first_queued      timestamptz,
    created_at        timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, dag_id)
);
CREATE INDEX dags_due ON dags (next_run_after)
    WHERE NOT is_paused AND next_run_after IS NOT NULL AND unfinished_runs < max_active_runs;
CREATE INDEX dags_to_start ON dags (first_queued)
    WHERE NOT is_paused AND first_queued IS NOT NULL AND running_runs < max_active_runs;

CREATE TABLE dag_versions (
    tenant_id  bigint NOT NULL,
    dag_id     text COLLATE "C" NOT NULL,
    version    bigint NOT NULL,
    version_id uuid NOT NULL,
    hash       text NOT NULL,
    source     text NOT NULL,
    dag        text NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, dag_id, version),
    FOREIGN KEY (tenant_id, dag_id) REFERENCES dags ON DELETE CASCADE
);

-- Every run, finished or not. A run key is never given twice, so that a stale one cannot name another run.
CREATE TABLE dag_runs (
    tenant_id                bigint NOT NULL,
    run_key                  bigint GENERATED ALWAYS AS IDENTITY,
    dag_id                   text COLLATE "C" NOT NULL,
    run_id                   text COLLATE "C" NOT NULL CHECK (length(run_id) BETWEEN 1 AND 250),
    run_type                 text COLLATE "C" NOT NULL CHECK (run_type IN ('backfill', 'scheduled', 'manual',
                                 'operator_triggered', 'asset_triggered', 'asset_materialization')),
    state                    text COLLATE "C" NOT NULL CHECK (state IN ('queued', 'running', 'success', 'failed')),
    dag_version              bigint NOT NULL,
    logical_date             timestamptz,
    interval_start           timestamptz,
    interval_end             timestamptz,
    run_after                timestamptz NOT NULL,
    queued_at                timestamptz NOT NULL,
    started_at               timestamptz,
    ended_at                 timestamptz,
    updated_at               timestamptz NOT NULL,
    last_scheduling_decision timestamptz,
    conf                     json NOT NULL,
    note                     text,
    note_user                text,
    triggered_by             text NOT NULL,
    triggering_user          text COLLATE "C",
    epoch                    bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, run_key),
    UNIQUE (tenant_id, dag_id, run_id),
    UNIQUE (tenant_id, dag_id, logical_date),
    FOREIGN KEY (tenant_id, dag_id) REFERENCES dags ON DELETE CASCADE,
    CHECK ((state IN ('success', 'failed')) = (ended_at IS NOT NULL)),
    CHECK ((interval_start IS NULL) = (interval_end IS NULL))
);
CREATE INDEX dag_runs_by_state ON dag_runs (tenant_id, dag_id, state);

-- Hot: the runs that are not finished, and who drives them. A row is here exactly as long as its run is queued or running.
CREATE TABLE active_runs (
    tenant_id   bigint NOT NULL,
    run_key     bigint NOT NULL,
    dag_id      text COLLATE "C" NOT NULL,
    state       text COLLATE "C" NOT NULL CHECK (state IN ('queued', 'running')),
    run_after   timestamptz NOT NULL,
    owner       uuid,
    -- Null: free.
    lease_until timestamptz,
    PRIMARY KEY (tenant_id, run_key),
    FOREIGN KEY (tenant_id, run_key) REFERENCES dag_runs ON DELETE CASCADE,
    CHECK (state = 'running' OR owner IS NULL),
    CHECK ((owner IS NULL) = (lease_until IS NULL))
);
CREATE INDEX active_runs_by_dag ON active_runs (tenant_id, dag_id, state, run_after);
CREATE INDEX active_runs_by_lease ON active_runs (lease_until NULLS FIRST) WHERE state = 'running';
CREATE INDEX active_runs_by_owner ON active_runs (owner) WHERE owner IS NOT NULL;

CREATE TABLE task_instances (
    tenant_id        bigint NOT NULL,
    instance_id      uuid NOT NULL,
    -- The order in which instances were made, which is that of the run and of the tasks in the DAG.
    ordinal          bigint GENERATED ALWAYS AS IDENTITY,
    run_key          bigint NOT NULL,
    task_id          text COLLATE "C" NOT NULL,
    map_index        integer NOT NULL CHECK (map_index >= -1),
    state            text COLLATE "C" CHECK (state IN ('scheduled', 'queued', 'running', 'restarting', 'deferred',
                         'awaiting_input', 'up_for_retry', 'up_for_reschedule', 'success', 'failed', 'skipped',
                         'upstream_failed', 'removed')),
    try_number       bigint NOT NULL,
    max_tries        bigint NOT NULL,
    operator         text COLLATE "C" NOT NULL,
    pool             text COLLATE "C" NOT NULL,
    pool_slots       bigint NOT NULL,
    queue            text COLLATE "C" NOT NULL,
    priority_weight  bigint NOT NULL,
    scheduled_at     timestamptz,
    queued_at        timestamptz,
    started_at       timestamptz,
    ended_at         timestamptz,
    first_started_at timestamptz,
    wake_at          timestamptz,
    reschedules      bigint NOT NULL DEFAULT 0,
    resume_state     json,
    hostname         text,
    note             text,
    message          text,
    rendered_fields  json,
    PRIMARY KEY (tenant_id, instance_id),
    UNIQUE (tenant_id, run_key, task_id, map_index),
    FOREIGN KEY (tenant_id, run_key) REFERENCES dag_runs ON DELETE CASCADE
);
-- Those that hold a slot of their pool or count for their task without being on the queue.
CREATE INDEX task_instances_waiting ON task_instances (tenant_id, pool, run_key, task_id)
    WHERE state IN ('deferred', 'awaiting_input');
CREATE INDEX task_instances_scheduled ON task_instances (tenant_id, pool) WHERE state = 'scheduled';

-- Finished tries. A row is written once, when its try ends, and only `late_results` can change then: the try that is under way
-- is the instance itself.
CREATE TABLE task_tries (
    tenant_id    bigint NOT NULL,
    instance_id  uuid NOT NULL,
    try_number   bigint NOT NULL,
    state        text NOT NULL,
    queued_at    timestamptz,
    started_at   timestamptz,
    ended_at     timestamptz NOT NULL,
    hostname     text,
    max_tries    bigint NOT NULL,
    cause        text,
    message      text,
    lease_token  uuid,
    late_results bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, instance_id, try_number),
    FOREIGN KEY (tenant_id, instance_id) REFERENCES task_instances ON DELETE CASCADE
);

-- Hot: one row for each instance that is queued or running, and none for any other. Every index costs each task three times
-- here, so there are only those that a hot path needs, and no foreign key: rows of a deleted run are removed by name.
CREATE TABLE queue (
    tenant_id        bigint NOT NULL,
    instance_id      uuid NOT NULL,
    -- Age: rows are claimed in this order within a priority.
    position         bigint GENERATED ALWAYS AS IDENTITY,
    run_key          bigint NOT NULL,
    dag_id           text COLLATE "C" NOT NULL,
    run_id           text COLLATE "C" NOT NULL,
    task_id          text COLLATE "C" NOT NULL,
    map_index        integer NOT NULL,
    dag_version      bigint NOT NULL,
    try_number       bigint NOT NULL,
    max_tries        bigint NOT NULL,
    reschedules      bigint NOT NULL,
    -- Of the try's first call; until that, none. The first call is the one where this equals `started_at`.
    first_started_at timestamptz,
    pool             text COLLATE "C" NOT NULL,
    pool_slots       bigint NOT NULL,
    queue            text COLLATE "C" NOT NULL,
    priority         bigint NOT NULL,
    resume           json,
    -- `reported`: the worker has said how it ended, and the run's scheduler has not settled it yet.
    state            text COLLATE "C" NOT NULL CHECK (state IN ('queued', 'running', 'reported')),
    worker           uuid,
    hostname         text,
    lease_token      uuid,
    lease_until      timestamptz,
    started_at       timestamptz,
    ended_at         timestamptz,
    result           json,
    rendered_fields  json,
    -- The token of a worker that was not heard of in time, and how often it came back with a result.
    fenced_token     uuid,
    late_results     bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, instance_id),
    CHECK ((state = 'queued') = (lease_token IS NULL)),
    CHECK ((state = 'reported') = (result IS NOT NULL))
) WITH (
    -- Rows live for seconds: what they leave behind is cleared away by its number, at once, and not by its share of the table.
    fillfactor = 70,
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 1000
);
CREATE INDEX queue_to_claim ON queue (queue, tenant_id, priority DESC, position) WHERE state = 'queued';
CREATE INDEX queue_by_pool ON queue (tenant_id, pool) INCLUDE (pool_slots);
CREATE INDEX queue_running ON queue (lease_until) WHERE state = 'running';
CREATE INDEX queue_reported ON queue (ended_at) WHERE state = 'reported';

CREATE TABLE xcoms (
    tenant_id bigint NOT NULL,
    run_key   bigint NOT NULL,
    task_id   text COLLATE "C" NOT NULL,
    map_index integer NOT NULL,
    key       text COLLATE "C" NOT NULL,
    value     json NOT NULL,
    pushed_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, run_key, task_id, map_index, key),
    FOREIGN KEY (tenant_id, run_key) REFERENCES dag_runs ON DELETE CASCADE
);

-- The processes that take part belong to the installation, not to a tenant.
CREATE TABLE processes (
    process_id   uuid PRIMARY KEY,
    role         text NOT NULL,
    hostname     text NOT NULL,
    version      text NOT NULL,
    started_at   timestamptz NOT NULL,
    heartbeat_at timestamptz NOT NULL,
    stopped_at   timestamptz
);
CREATE INDEX processes_by_role ON processes (role, heartbeat_at);
