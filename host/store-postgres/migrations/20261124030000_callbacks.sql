-- What is to be called because something has happened, and what has been called. It is the queue of callbacks too: rows that are
-- queued or running are few, and have indexes of their own.
CREATE TABLE callbacks (
    -- Age: rows are claimed in this order.
    position    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id   bigint NOT NULL,
    callback_id uuid NOT NULL,
    run_key     bigint NOT NULL,
    dag_id      text COLLATE "C" NOT NULL,
    run_id      text COLLATE "C" NOT NULL,
    dag_version bigint NOT NULL,
    event       text COLLATE "C" NOT NULL
        CHECK (event IN ('on_execute', 'on_success', 'on_failure', 'on_retry', 'on_skipped', 'deadline')),
    place       bigint NOT NULL,
    -- The instance and its try; none: it is about the run.
    instance_id uuid,
    task_id     text COLLATE "C",
    map_index   integer,
    try_number  bigint,
    max_tries   bigint,
    about       json NOT NULL,
    queue       text COLLATE "C" NOT NULL,
    state       text COLLATE "C" NOT NULL CHECK (state IN ('queued', 'running', 'success', 'failed')),
    attempts    bigint NOT NULL DEFAULT 0,
    worker      uuid,
    hostname    text,
    lease_token uuid,
    lease_until timestamptz,
    created_at  timestamptz NOT NULL,
    started_at  timestamptz,
    ended_at    timestamptz,
    message     text,
    UNIQUE (tenant_id, callback_id),
    FOREIGN KEY (tenant_id, run_key) REFERENCES dag_runs ON DELETE CASCADE,
    CHECK ((state = 'running') = (lease_token IS NOT NULL)),
    CHECK ((state IN ('success', 'failed')) = (ended_at IS NOT NULL))
);
CREATE INDEX callbacks_of_runs ON callbacks (tenant_id, run_key, position);
CREATE INDEX callbacks_to_claim ON callbacks (queue, tenant_id, position) WHERE state = 'queued';
CREATE INDEX callbacks_running ON callbacks (lease_until) WHERE state = 'running';
CREATE INDEX callbacks_waiting ON callbacks (created_at) WHERE state = 'queued';

-- The callbacks that are due when a try is claimed, a list; none if there are none.
ALTER TABLE queue ADD COLUMN on_execute json;

-- The deadlines that a DAG version sets its runs.
CREATE TABLE deadline_alerts (
    tenant_id      bigint NOT NULL,
    dag_id         text COLLATE "C" NOT NULL,
    version        bigint NOT NULL,
    place          bigint NOT NULL,
    alert_id       uuid NOT NULL,
    name           text COLLATE "C",
    reference_type text COLLATE "C" NOT NULL,
    reference      json NOT NULL,
    interval       double precision NOT NULL,
    created_at     timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, dag_id, version, place),
    FOREIGN KEY (tenant_id, dag_id, version) REFERENCES dag_versions ON DELETE CASCADE
);

-- A row for each deadline of a run that has not met it.
CREATE TABLE deadlines (
    tenant_id     bigint NOT NULL,
    run_key       bigint NOT NULL,
    place         bigint NOT NULL,
    deadline_id   uuid NOT NULL,
    dag_version   bigint NOT NULL,
    deadline_time timestamptz NOT NULL,
    missed        boolean NOT NULL DEFAULT false,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, run_key, place),
    FOREIGN KEY (tenant_id, run_key) REFERENCES dag_runs ON DELETE CASCADE
);
CREATE INDEX deadlines_to_miss ON deadlines (deadline_time) WHERE NOT missed;
