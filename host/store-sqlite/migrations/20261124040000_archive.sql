-- What was cleaned away, as it was: its columns as JSON, so that a record outlives changes of its table. Bytes are hexadecimal.
CREATE TABLE archived_rows (
    archive_id  INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id   INTEGER NOT NULL REFERENCES tenants ON DELETE CASCADE,
    archived_at INTEGER NOT NULL,
    cleaned     TEXT NOT NULL,
    source      TEXT NOT NULL,
    content     TEXT NOT NULL,
    UNIQUE (tenant_id, archive_id)
) STRICT;
