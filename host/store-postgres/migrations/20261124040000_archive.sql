-- What was cleaned away, as it was: its columns as JSON, so that a record outlives changes of its table.
CREATE TABLE archived_rows (
    tenant_id   bigint NOT NULL REFERENCES tenants ON DELETE CASCADE,
    archive_id  bigint GENERATED ALWAYS AS IDENTITY,
    archived_at timestamptz NOT NULL,
    cleaned     text COLLATE "C" NOT NULL,
    source      text COLLATE "C" NOT NULL,
    content     json NOT NULL,
    PRIMARY KEY (tenant_id, archive_id)
);
