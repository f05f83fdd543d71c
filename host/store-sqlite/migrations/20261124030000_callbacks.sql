-- What is to be called because something has happened, and what has been called. It is the queue of callbacks too: rows that are
-- queued or running are few, and have indexes of their own.
CREATE TABLE callbacks (
    -- Age: rows are claimed in this order.
    position    INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id   INTEGER NOT NULL,
    callback_id BLOB NOT NULL CHECK (length(callback_id) = 16),
    run_key     INTEGER NOT NULL,
    dag_id      TEXT NOT NULL,
    run_id      TEXT NOT NULL,
    dag_version INTEGER NOT NULL,
    event       TEXT NOT NULL CHECK (event IN ('on_execute', 'on_success', 'on_failure', 'on_retry', 'on_skipped', 'deadline')),
    place       INTEGER NOT NULL,
    -- The instance and its try; none: it is about the run.
    instance_id BLOB,
    task_id     TEXT,
    map_index   INTEGER,
    try_number  INTEGER,
    max_tries   INTEGER,
    about       TEXT NOT NULL,
    queue       TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('queued', 'running', 'success', 'failed')),
    attempts    INTEGER NOT NULL DEFAULT 0,
    worker      BLOB,
    hostname    TEXT,
    lease_token BLOB CHECK (length(lease_token) = 16),
    lease_until INTEGER,
    created_at  INTEGER NOT NULL,
    started_at  INTEGER,
    ended_at    INTEGER,
    message     TEXT,
    UNIQUE (tenant_id, callback_id),
    FOREIGN KEY (tenant_id, run_key) REFERENCES dag_runs (tenant_id, run_key) ON DELETE CASCADE,
    CHECK ((state = 'running') = (lease_token IS NOT NULL)),
    CHECK ((state IN ('success', 'failed')) = (ended_at IS NOT NULL))
) STRICT;
CREATE INDEX callbacks_of_runs ON callbacks (tenant_id, run_key, position);
CREATE INDEX callbacks_to_claim ON callbacks (queue, tenant_id, position) WHERE state = 'queued';
CREATE INDEX callbacks_running ON callbacks (lease_until) WHERE state = 'running';
CREATE INDEX callbacks_waiting ON callbacks (created_at) WHERE state = 'queued';

-- The callbacks that are due when a try is claimed, a JSON list; none if there are none.
ALTER TABLE queue ADD COLUMN on_execute TEXT;

-- The deadlines that a DAG version sets its runs.
CREATE TABLE deadline_alerts (
    tenant_id      INTEGER NOT NULL,
    dag_id         TEXT NOT NULL,
    version        INTEGER NOT NULL,
    place          INTEGER NOT NULL,
    alert_id       BLOB NOT NULL CHECK (length(alert_id) = 16),
    name           TEXT,
    reference_type TEXT NOT NULL,
    reference      TEXT NOT NULL,
    interval       REAL NOT NULL,
    created_at     INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, dag_id, version, place),
    FOREIGN KEY (tenant_id, dag_id, version) REFERENCES dag_versions ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- A row for each deadline of a run that has not met it.
CREATE TABLE deadlines (
    tenant_id     INTEGER NOT NULL,
    run_key       INTEGER NOT NULL,
    place         INTEGER NOT NULL,
    deadline_id   BLOB NOT NULL CHECK (length(deadline_id) = 16),
    dag_version   INTEGER NOT NULL,
    deadline_time INTEGER NOT NULL,
    missed        INTEGER NOT NULL DEFAULT 0 CHECK (missed IN (0, 1)),
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, run_key, place),
    FOREIGN KEY (tenant_id, run_key) REFERENCES dag_runs (tenant_id, run_key) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX deadlines_to_miss ON deadlines (deadline_time) WHERE missed = 0;
