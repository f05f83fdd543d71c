-- What deferred tasks wait for: a row for each, which goes when the instance leaves `deferred`.
CREATE TABLE triggers (
    trigger_id    INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id     INTEGER NOT NULL,
    instance_id   BLOB NOT NULL,
    run_key       INTEGER NOT NULL,
    try_number    INTEGER NOT NULL,
    definition    TEXT NOT NULL,
    -- What happens here and makes the trigger worth a look.
    topic         TEXT,
    created_at    INTEGER NOT NULL,
    -- While a worker looks, the end of its lease: a look that is not concluded is due again.
    next_look_at  INTEGER,
    lease_token   BLOB CHECK (length(lease_token) = 16),
    looks         INTEGER NOT NULL DEFAULT 0,
    troubles      INTEGER NOT NULL DEFAULT 0,
    last_look_at  INTEGER,
    last_hostname TEXT,
    last_saw      TEXT,
    -- What ended the wait; the run's scheduler lets the try go on.
    event         TEXT,
    ended_at      INTEGER,
    UNIQUE (tenant_id, instance_id),
    FOREIGN KEY (tenant_id, instance_id) REFERENCES task_instances (tenant_id, instance_id) ON DELETE CASCADE,
    CHECK (event IS NULL OR (next_look_at IS NULL AND lease_token IS NULL)),
    CHECK ((event IS NULL) = (ended_at IS NULL))
) STRICT;
CREATE INDEX triggers_due ON triggers (next_look_at) WHERE next_look_at IS NOT NULL;
CREATE INDEX triggers_by_topic ON triggers (tenant_id, topic) WHERE topic IS NOT NULL;
CREATE INDEX triggers_ended ON triggers (ended_at) WHERE ended_at IS NOT NULL;

-- Events that were posted before anybody waited for them.
CREATE TABLE posted_events (
    tenant_id  INTEGER NOT NULL REFERENCES tenants ON DELETE CASCADE,
    name       TEXT NOT NULL,
    payload    TEXT NOT NULL,
    posted_at  INTEGER NOT NULL,
    keep_until INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX posted_events_by_end ON posted_events (keep_until);
