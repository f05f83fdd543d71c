CREATE TABLE assets (
    asset_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id   bigint NOT NULL REFERENCES tenants ON DELETE CASCADE,
    name        text COLLATE "C" NOT NULL,
    uri         text COLLATE "C" NOT NULL,
    asset_group text COLLATE "C" NOT NULL,
    extra       json NOT NULL,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    UNIQUE (tenant_id, asset_id),
    UNIQUE (tenant_id, name, uri)
);

-- What the newest versions of DAGs say of assets. The task id is empty for a schedule.
CREATE TABLE asset_references (
    tenant_id  bigint NOT NULL,
    asset_id   bigint NOT NULL,
    role       text COLLATE "C" NOT NULL CHECK (role IN ('schedule', 'outlet', 'inlet')),
    dag_id     text COLLATE "C" NOT NULL,
    task_id    text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, asset_id, role, dag_id, task_id),
    FOREIGN KEY (tenant_id, asset_id) REFERENCES assets (tenant_id, asset_id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, dag_id) REFERENCES dags ON DELETE CASCADE
);
CREATE INDEX asset_references_by_dag ON asset_references (tenant_id, dag_id, role);

CREATE TABLE asset_events (
    event_id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id        bigint NOT NULL,
    asset_id         bigint NOT NULL,
    extra            json NOT NULL,
    source_dag_id    text COLLATE "C",
    source_task_id   text COLLATE "C",
    source_run_id    text COLLATE "C",
    source_map_index integer NOT NULL,
    timestamp        timestamptz NOT NULL,
    UNIQUE (tenant_id, event_id),
    FOREIGN KEY (tenant_id, asset_id) REFERENCES assets (tenant_id, asset_id) ON DELETE CASCADE
);
CREATE INDEX asset_events_by_time ON asset_events (tenant_id, asset_id, timestamp);

-- Which runs followed from which events.
CREATE TABLE asset_event_runs (
    tenant_id bigint NOT NULL,
    run_key   bigint NOT NULL,
    event_id  bigint NOT NULL,
    PRIMARY KEY (tenant_id, run_key, event_id),
    FOREIGN KEY (tenant_id, run_key) REFERENCES dag_runs (tenant_id, run_key) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, event_id) REFERENCES asset_events (tenant_id, event_id) ON DELETE CASCADE
);
CREATE INDEX asset_event_runs_by_event ON asset_event_runs (tenant_id, event_id);
CREATE INDEX dag_runs_of_assets ON dag_runs (tenant_id, dag_id, run_after) WHERE run_type = 'asset_triggered';

-- Hot: a row for each asset with events that a DAG has not followed up yet, as of the newest of them. It is fresh until a
-- scheduler has looked at it.
CREATE TABLE asset_queue (
    tenant_id  bigint NOT NULL,
    dag_id     text COLLATE "C" NOT NULL,
    asset_id   bigint NOT NULL,
    created_at timestamptz NOT NULL,
    is_fresh   boolean NOT NULL,
    PRIMARY KEY (tenant_id, dag_id, asset_id),
    FOREIGN KEY (tenant_id, dag_id) REFERENCES dags ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, asset_id) REFERENCES assets (tenant_id, asset_id) ON DELETE CASCADE
);
CREATE INDEX asset_queue_by_asset ON asset_queue (tenant_id, asset_id);
CREATE INDEX asset_queue_fresh ON asset_queue (created_at) WHERE is_fresh;
