-- What deferred tasks wait for: a row for each, which goes when the instance leaves `deferred`.
CREATE TABLE triggers (
    trigger_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id     bigint NOT NULL,
    instance_id   uuid NOT NULL,
    run_key       bigint NOT NULL,
    try_number    bigint NOT NULL,
    definition    json NOT NULL,
    -- What happens here and makes the trigger worth a look.
    topic         text COLLATE "C",
    created_at    timestamptz NOT NULL,
    -- While a worker looks, the end of its lease: a look that is not concluded is due again.
    next_look_at  timestamptz,
    lease_token   uuid,
    looks         bigint NOT NULL DEFAULT 0,
    troubles      bigint NOT NULL DEFAULT 0,
    last_look_at  timestamptz,
    last_hostname text,
    last_saw      text,
    -- What ended the wait; the run's scheduler lets the try go on.
    event         json,
    ended_at      timestamptz,
    UNIQUE (tenant_id, instance_id),
    FOREIGN KEY (tenant_id, instance_id) REFERENCES task_instances (tenant_id, instance_id) ON DELETE CASCADE,
    CHECK (event IS NULL OR (next_look_at IS NULL AND lease_token IS NULL)),
    CHECK ((event IS NULL) = (ended_at IS NULL))
);
CREATE INDEX triggers_due ON triggers (next_look_at) WHERE next_look_at IS NOT NULL;
CREATE INDEX triggers_by_topic ON triggers (tenant_id, topic) WHERE topic IS NOT NULL;
CREATE INDEX triggers_ended ON triggers (ended_at) WHERE ended_at IS NOT NULL;

-- Events that were posted before anybody waited for them.
CREATE TABLE posted_events (
    tenant_id  bigint NOT NULL REFERENCES tenants ON DELETE CASCADE,
    name       text COLLATE "C" NOT NULL,
    payload    json NOT NULL,
    posted_at  timestamptz NOT NULL,
    keep_until timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, name)
);
CREATE INDEX posted_events_by_end ON posted_events (keep_until);
