-- Names for assets that are only known when a task runs.
CREATE TABLE asset_aliases (
    alias_id    INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id   INTEGER NOT NULL REFERENCES tenants ON DELETE CASCADE,
    name        TEXT NOT NULL,
    alias_group TEXT NOT NULL,
    UNIQUE (tenant_id, alias_id),
    UNIQUE (tenant_id, name)
) STRICT;

-- What the newest versions of DAGs say of aliases. The task id is empty for a schedule.
CREATE TABLE asset_alias_references (
    tenant_id  INTEGER NOT NULL,
    alias_id   INTEGER NOT NULL,
    role       TEXT NOT NULL CHECK (role IN ('schedule', 'outlet', 'inlet')),
    dag_id     TEXT NOT NULL,
    task_id    TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, alias_id, role, dag_id, task_id),
    FOREIGN KEY (tenant_id, alias_id) REFERENCES asset_aliases (tenant_id, alias_id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, dag_id) REFERENCES dags ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX asset_alias_references_by_dag ON asset_alias_references (tenant_id, dag_id, role);

-- Which assets tasks have said an alias stands for.
CREATE TABLE asset_alias_assets (
    tenant_id INTEGER NOT NULL,
    alias_id  INTEGER NOT NULL,
    asset_id  INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, alias_id, asset_id),
    FOREIGN KEY (tenant_id, alias_id) REFERENCES asset_aliases (tenant_id, alias_id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, asset_id) REFERENCES assets (tenant_id, asset_id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX asset_alias_assets_by_asset ON asset_alias_assets (tenant_id, asset_id);

-- Which events came by which aliases, as of the event's time.
CREATE TABLE asset_event_aliases (
    tenant_id INTEGER NOT NULL,
    alias_id  INTEGER NOT NULL,
    timestamp INTEGER NOT NULL,
    event_id  INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, alias_id, timestamp, event_id),
    FOREIGN KEY (tenant_id, alias_id) REFERENCES asset_aliases (tenant_id, alias_id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, event_id) REFERENCES asset_events (tenant_id, event_id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX asset_event_aliases_by_event ON asset_event_aliases (tenant_id, event_id);

-- The names of those aliases, and the partition of the run that the event is of.
ALTER TABLE asset_events ADD COLUMN source_aliases TEXT NOT NULL DEFAULT '[]';
ALTER TABLE asset_events ADD COLUMN partition_key TEXT;

-- What a reported try has said of the events that its success brings about.
ALTER TABLE queue ADD COLUMN outlet_events TEXT;
