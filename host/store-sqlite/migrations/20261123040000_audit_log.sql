-- Who did what. AUTOINCREMENT: an id is never given twice, also after old entries are gone.
CREATE TABLE audit_log (
    entry_id   INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id  INTEGER NOT NULL REFERENCES tenants ON DELETE CASCADE,
    at         INTEGER NOT NULL,
    event      TEXT NOT NULL,
    dag_id     TEXT,
    run_id     TEXT,
    task_id    TEXT,
    map_index  INTEGER,
    try_number INTEGER,
    owner      TEXT NOT NULL,
    extra      TEXT
) STRICT;
CREATE INDEX audit_log_by_time ON audit_log (tenant_id, at);
CREATE INDEX audit_log_by_dag ON audit_log (tenant_id, dag_id, at) WHERE dag_id IS NOT NULL;
