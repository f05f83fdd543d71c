-- Who did what.
CREATE TABLE audit_log (
    tenant_id  bigint NOT NULL REFERENCES tenants ON DELETE CASCADE,
    entry_id   bigint GENERATED ALWAYS AS IDENTITY,
    at         timestamptz NOT NULL,
    event      text COLLATE "C" NOT NULL,
    dag_id     text COLLATE "C",
    run_id     text COLLATE "C",
    task_id    text COLLATE "C",
    map_index  integer,
    try_number bigint,
    owner      text COLLATE "C" NOT NULL,
    extra      text,
    PRIMARY KEY (tenant_id, entry_id)
);
CREATE INDEX audit_log_by_time ON audit_log (tenant_id, at);
CREATE INDEX audit_log_by_dag ON audit_log (tenant_id, dag_id, at) WHERE dag_id IS NOT NULL;
