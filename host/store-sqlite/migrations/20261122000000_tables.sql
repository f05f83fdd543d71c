-- Instants are microseconds since 1970 (INTEGER), because texts of instants compare wrongly; UUIDs are BLOBs of 16 bytes;
-- JSON is TEXT. Every key starts with the tenant, so that one tenant's rows lie together and foreign keys cannot cross tenants.
-- Only the indexes that serve a search over all tenants (due DAGs, free leases, tokens) start with something else.

CREATE TABLE tenants (
    tenant_id  INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 63),
    policy     TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE users (
    tenant_id      INTEGER NOT NULL REFERENCES tenants ON DELETE CASCADE,
    username       TEXT NOT NULL,
    password_hash  TEXT NOT NULL,
    role           TEXT NOT NULL CHECK (role IN ('viewer', 'user', 'op', 'admin')),
    platform_admin INTEGER NOT NULL CHECK (platform_admin IN (0, 1)),
    created_at     INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, username)
) STRICT, WITHOUT ROWID;

CREATE TABLE tokens (
    tenant_id      INTEGER NOT NULL,
    token_id       BLOB NOT NULL CHECK (length(token_id) = 16),
    username       TEXT NOT NULL,
    name           TEXT NOT NULL,
    role           TEXT NOT NULL CHECK (role IN ('viewer', 'user', 'op', 'admin')),
    platform_admin INTEGER NOT NULL CHECK (platform_admin IN (0, 1)),
    hash           BLOB NOT NULL CHECK (length(hash) = 32),
    created_at     INTEGER NOT NULL,
    expires_at     INTEGER,
    PRIMARY KEY (tenant_id, token_id),
    FOREIGN KEY (tenant_id, username) REFERENCES users ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
-- A request comes with a token and nothing else: the token names its tenant.
CREATE UNIQUE INDEX tokens_by_hash ON tokens (hash);
CREATE INDEX tokens_by_user ON tokens (tenant_id, username);
CREATE INDEX tokens_by_expiry ON tokens (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE variables (
    tenant_id   INTEGER NOT NULL REFERENCES tenants ON DELETE CASCADE,
    key         TEXT NOT NULL,
    value       BLOB NOT NULL,
    description TEXT,
    PRIMARY KEY (tenant_id, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE connections (
    tenant_id   INTEGER NOT NULL REFERENCES tenants ON DELETE CASCADE,
    conn_id     TEXT NOT NULL,
    conn_type   TEXT NOT NULL,
    description TEXT,
    host        TEXT,
    login       TEXT,
    schema      TEXT,
    port        INTEGER CHECK (port BETWEEN 0 AND 65535),
    password    BLOB,
    extra       BLOB,
    PRIMARY KEY (tenant_id, conn_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE pools (
    tenant_id        INTEGER NOT NULL REFERENCES tenants ON DELETE CASCADE,
    name             TEXT NOT NULL,
    slots            INTEGER NOT NULL CHECK (slots >= -1),
    description      TEXT,
    include_deferred INTEGER NOT NULL CHECK (include_deferred IN (0, 1)),
    PRIMARY KEY (tenant_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE operators (
    tenant_id        INTEGER NOT NULL REFERENCES tenants ON DELETE CASCADE,
    name             TEXT NOT NULL,
    version          TEXT NOT NULL,
    digest           TEXT NOT NULL,
    size             INTEGER NOT NULL,
    kind             TEXT NOT NULL CHECK (kind IN ('action', 'sensor', 'branch', 'short_circuit')),
    summary          TEXT NOT NULL,
    documentation    TEXT,
    arguments_schema TEXT NOT NULL,
    template_fields  TEXT NOT NULL,
    imports          TEXT NOT NULL,
    yanked           INTEGER NOT NULL CHECK (yanked IN (0, 1)),
    uploaded_by      TEXT,
    uploaded_at      INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, name, version)
) STRICT;
CREATE INDEX operators_by_digest ON operators (digest, tenant_id);

CREATE TABLE dags (
    tenant_id         INTEGER NOT NULL REFERENCES tenants ON DELETE CASCADE,
    dag_id            TEXT NOT NULL CHECK (length(dag_id) BETWEEN 1 AND 250),
    display_name      TEXT NOT NULL,
    owner             TEXT NOT NULL,
    tags              TEXT NOT NULL,
    is_paused         INTEGER NOT NULL CHECK (is_paused IN (0, 1)),
    version           INTEGER NOT NULL CHECK (version >= 1),
    max_active_runs   INTEGER NOT NULL,
    next_run_after    INTEGER,
    next_logical_date INTEGER,
    next_start        INTEGER,
    next_end          INTEGER,
    -- What `active_runs` says of this DAG, so that finding runs to make and to start are look-ups (`dags_due`, `dags_to_start`):
    -- how many are unfinished, how many of them are running, and when the first queued one is due. Written together with
    -- `active_runs`, by one function.
    unfinished_runs   INTEGER NOT NULL DEFAULT 0,
    running_runs      INTEGER NOT NULL DEFAULT 0,
    first_queued      INTEGER,
    created_at        INTEGER NOT NULL,
    updated_at        INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, dag_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX dags_due ON dags (next_run_after)
    WHERE is_paused = 0 AND next_run_after IS NOT NULL AND unfinished_runs < max_active_runs;
CREATE INDEX dags_to_start ON dags (first_queued)
    WHERE is_paused = 0 AND first_queued IS NOT NULL AND running_runs < max_active_runs;

CREATE TABLE dag_versions (
    tenant_id  INTEGER NOT NULL,
    dag_id     TEXT NOT NULL,
    version    INTEGER NOT NULL,
    version_id BLOB NOT NULL CHECK (length(version_id) = 16),
    hash       TEXT NOT NULL,
    source     TEXT NOT NULL,
    dag        TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, dag_id, version),
    FOREIGN KEY (tenant_id, dag_id) REFERENCES dags ON DELETE CASCADE
) STRICT;

-- Every run, finished or not. AUTOINCREMENT: a run key is never given twice, so that a stale one cannot name another run.
CREATE TABLE dag_runs (
    run_key                  INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id                INTEGER NOT NULL,
    dag_id                   TEXT NOT NULL,
    run_id                   TEXT NOT NULL CHECK (length(run_id) BETWEEN 1 AND 250),
    run_type                 TEXT NOT NULL CHECK (run_type IN ('backfill', 'scheduled', 'manual', 'operator_triggered',
                                                               'asset_triggered', 'asset_materialization')),
    state                    TEXT NOT NULL CHECK (state IN ('queued', 'running', 'success', 'failed')),
    dag_version              INTEGER NOT NULL,
    logical_date             INTEGER,
    interval_start           INTEGER,
    interval_end             INTEGER,
    run_after                INTEGER NOT NULL,
    queued_at                INTEGER NOT NULL,
    started_at               INTEGER,
    ended_at                 INTEGER,
    updated_at               INTEGER NOT NULL,
    last_scheduling_decision INTEGER,
    conf                     TEXT NOT NULL,
    note                     TEXT,
    note_user                TEXT,
    triggered_by             TEXT NOT NULL,
    triggering_user          TEXT,
    epoch                    INTEGER NOT NULL DEFAULT 0,
    UNIQUE (tenant_id, run_key),
    UNIQUE (tenant_id, dag_id, run_id),
    UNIQUE (tenant_id, dag_id, logical_date),
    FOREIGN KEY (tenant_id, dag_id) REFERENCES dags ON DELETE CASCADE,
    CHECK ((state IN ('success', 'failed')) = (ended_at IS NOT NULL)),
    CHECK ((interval_start IS NULL) = (interval_end IS NULL))
) STRICT;
CREATE INDEX dag_runs_by_state ON dag_runs (tenant_id, dag_id, state);

-- Hot: the runs that are not finished, and who drives them. A row is here exactly as long as its run is queued or running.
CREATE TABLE active_runs (
    tenant_id   INTEGER NOT NULL,
    run_key     INTEGER NOT NULL,
    dag_id      TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('queued', 'running')),
    run_after   INTEGER NOT NULL,
    owner       BLOB CHECK (length(owner) = 16),
    -- 0: free.
    lease_until INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, run_key),
    FOREIGN KEY (tenant_id, run_key) REFERENCES dag_runs (tenant_id, run_key) ON DELETE CASCADE,
    CHECK (state = 'running' OR owner IS NULL)
) STRICT, WITHOUT ROWID;
CREATE INDEX active_runs_by_dag ON active_runs (tenant_id, dag_id, state, run_after);
CREATE INDEX active_runs_by_lease ON active_runs (lease_until) WHERE state = 'running';
CREATE INDEX active_runs_by_owner ON active_runs (owner) WHERE owner IS NOT NULL;

CREATE TABLE task_instances (
    -- The order in which instances were made, which is that of the run and of the tasks in the DAG.
    ordinal          INTEGER PRIMARY KEY,
    tenant_id        INTEGER NOT NULL,
    instance_id      BLOB NOT NULL CHECK (length(instance_id) = 16),
    run_key          INTEGER NOT NULL,
    task_id          TEXT NOT NULL,
    map_index        INTEGER NOT NULL CHECK (map_index >= -1),
    state            TEXT CHECK (state IN ('scheduled', 'queued', 'running', 'restarting', 'deferred', 'awaiting_input',
                                           'up_for_retry', 'up_for_reschedule', 'success', 'failed', 'skipped',
                                           'upstream_failed', 'removed')),
    try_number       INTEGER NOT NULL,
    max_tries        INTEGER NOT NULL,
    operator         TEXT NOT NULL,
    pool             TEXT NOT NULL,
    pool_slots       INTEGER NOT NULL,
    queue            TEXT NOT NULL,
    priority_weight  INTEGER NOT NULL,
    scheduled_at     INTEGER,
    queued_at        INTEGER,
    started_at       INTEGER,
    ended_at         INTEGER,
    first_started_at INTEGER,
    wake_at          INTEGER,
    reschedules      INTEGER NOT NULL DEFAULT 0,
    resume_state     TEXT,
    hostname         TEXT,
    note             TEXT,
    message          TEXT,
    rendered_fields  TEXT,
    UNIQUE (tenant_id, instance_id),
    UNIQUE (tenant_id, run_key, task_id, map_index),
    FOREIGN KEY (tenant_id, run_key) REFERENCES dag_runs (tenant_id, run_key) ON DELETE CASCADE
) STRICT;
-- Those that hold a slot of their pool or count for their task without being on the queue.
CREATE INDEX task_instances_waiting ON task_instances (tenant_id, pool, pool_slots, run_key, task_id)
    WHERE state IN ('deferred', 'awaiting_input');
CREATE INDEX task_instances_scheduled ON task_instances (tenant_id, pool, pool_slots) WHERE state = 'scheduled';

-- Finished tries. A row is written once, when its try ends, and only `late_results` can change then: the try that is under way
-- is the instance itself.
CREATE TABLE task_tries (
    tenant_id    INTEGER NOT NULL,
    instance_id  BLOB NOT NULL,
    try_number   INTEGER NOT NULL,
    state        TEXT NOT NULL,
    queued_at    INTEGER,
    started_at   INTEGER,
    ended_at     INTEGER NOT NULL,
    hostname     TEXT,
    max_tries    INTEGER NOT NULL,
    cause        TEXT,
    message      TEXT,
    lease_token  BLOB,
    late_results INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, instance_id, try_number),
    FOREIGN KEY (tenant_id, instance_id) REFERENCES task_instances (tenant_id, instance_id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- Hot: one row for each instance that is queued or running, and none for any other.
CREATE TABLE queue (
    -- Age: rows are claimed in this order within a priority.
    position         INTEGER PRIMARY KEY,
    tenant_id        INTEGER NOT NULL,
    instance_id      BLOB NOT NULL,
    run_key          INTEGER NOT NULL,
    dag_id           TEXT NOT NULL,
    run_id           TEXT NOT NULL,
    task_id          TEXT NOT NULL,
    map_index        INTEGER NOT NULL,
    dag_version      INTEGER NOT NULL,
    try_number       INTEGER NOT NULL,
    max_tries        INTEGER NOT NULL,
    reschedules      INTEGER NOT NULL,
    -- Of the try's first call; until that, none. The first call is the one where this equals `started_at`.
    first_started_at INTEGER,
    pool             TEXT NOT NULL,
    pool_slots       INTEGER NOT NULL,
    queue            TEXT NOT NULL,
    priority         INTEGER NOT NULL,
    resume           TEXT,
    -- `reported`: the worker has said how it ended, and the run's scheduler has not settled it yet.
    state            TEXT NOT NULL CHECK (state IN ('queued', 'running', 'reported')),
    worker           BLOB,
    hostname         TEXT,
    lease_token      BLOB CHECK (length(lease_token) = 16),
    lease_until      INTEGER,
    started_at       INTEGER,
    ended_at         INTEGER,
    result           TEXT,
    rendered_fields  TEXT,
    -- The token of a worker that was not heard of in time, and how often it came back with a result.
    fenced_token     BLOB,
    late_results     INTEGER NOT NULL DEFAULT 0,
    UNIQUE (tenant_id, instance_id),
    CHECK ((state = 'queued') = (lease_token IS NULL)),
    CHECK ((state = 'reported') = (result IS NOT NULL))
) STRICT;
-- Every index costs each task three times here, so there are only those that a hot path needs, and no foreign key: rows of a
-- deleted run are removed by name.
CREATE INDEX queue_to_claim ON queue (queue, tenant_id, priority DESC, position) WHERE state = 'queued';
CREATE INDEX queue_by_pool ON queue (tenant_id, pool, pool_slots);
CREATE INDEX queue_running ON queue (lease_until) WHERE state = 'running';
CREATE INDEX queue_reported ON queue (ended_at) WHERE state = 'reported';

CREATE TABLE xcoms (
    xcom_key  INTEGER PRIMARY KEY,
    tenant_id INTEGER NOT NULL,
    run_key   INTEGER NOT NULL,
    task_id   TEXT NOT NULL,
    map_index INTEGER NOT NULL,
    key       TEXT NOT NULL,
    value     TEXT NOT NULL,
    pushed_at INTEGER NOT NULL,
    UNIQUE (tenant_id, run_key, task_id, map_index, key),
    FOREIGN KEY (tenant_id, run_key) REFERENCES dag_runs (tenant_id, run_key) ON DELETE CASCADE
) STRICT;

-- The processes that take part belong to the installation, not to a tenant.
CREATE TABLE processes (
    process_id   BLOB PRIMARY KEY CHECK (length(process_id) = 16),
    role         TEXT NOT NULL,
    hostname     TEXT NOT NULL,
    version      TEXT NOT NULL,
    started_at   INTEGER NOT NULL,
    heartbeat_at INTEGER NOT NULL,
    stopped_at   INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX processes_by_role ON processes (role, heartbeat_at);
