CREATE TABLE assets (
    asset_id    INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id   INTEGER NOT NULL REFERENCES tenants ON DELETE CASCADE,
    name        TEXT NOT NULL,
    uri         TEXT NOT NULL,
    asset_group TEXT NOT NULL,
    extra       TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    UNIQUE (tenant_id, asset_id),
    UNIQUE (tenant_id, name, uri)
) STRICT;

-- What the newest versions of DAGs say of assets. The task id is empty for a schedule.
CREATE TABLE asset_references (
    tenant_id  INTEGER NOT NULL,
    asset_id   INTEGER NOT NULL,
    role       TEXT NOT NULL CHECK (role IN ('schedule', 'outlet', 'inlet')),
    dag_id     TEXT NOT NULL,
    task_id    TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, asset_id, role, dag_id, task_id),
    FOREIGN KEY (tenant_id, asset_id) REFERENCES assets (tenant_id, asset_id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, dag_id) REFERENCES dags ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX asset_references_by_dag ON asset_references (tenant_id, dag_id, role);

CREATE TABLE asset_events (
    event_id         INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id        INTEGER NOT NULL,
    asset_id         INTEGER NOT NULL,
    extra            TEXT NOT NULL,
    source_dag_id    TEXT,
    source_task_id   TEXT,
    source_run_id    TEXT,
    source_map_index INTEGER NOT NULL,
    timestamp        INTEGER NOT NULL,
    UNIQUE (tenant_id, event_id),
    FOREIGN KEY (tenant_id, asset_id) REFERENCES assets (tenant_id, asset_id) ON DELETE CASCADE
) STRICT;
CREATE INDEX asset_events_by_time ON asset_events (tenant_id, asset_id, timestamp);

-- Which runs followed from which events.
CREATE TABLE asset_event_runs (
    tenant_id INTEGER NOT NULL,
    run_key   INTEGER NOT NULL,
    event_id  INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, run_key, event_id),
    FOREIGN KEY (tenant_id, run_key) REFERENCES dag_runs (tenant_id, run_key) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, event_id) REFERENCES asset_events (tenant_id, event_id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX asset_event_runs_by_event ON asset_event_runs (tenant_id, event_id);
CREATE INDEX dag_runs_of_assets ON dag_runs (tenant_id, dag_id, run_after) WHERE run_type = 'asset_triggered';

-- Hot: a row for each asset with events that a DAG has not followed up yet, as of the newest of them. It is fresh until a
-- scheduler has looked at it.
CREATE TABLE asset_queue (
    tenant_id  INTEGER NOT NULL,
    dag_id     TEXT NOT NULL,
    asset_id   INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    is_fresh   INTEGER NOT NULL CHECK (is_fresh IN (0, 1)),
    PRIMARY KEY (tenant_id, dag_id, asset_id),
    FOREIGN KEY (tenant_id, dag_id) REFERENCES dags ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, asset_id) REFERENCES assets (tenant_id, asset_id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX asset_queue_by_asset ON asset_queue (tenant_id, asset_id);
CREATE INDEX asset_queue_fresh ON asset_queue (created_at) WHERE is_fresh = 1;
