-- The DAGs that people have picked out for themselves.
CREATE TABLE dag_favorites (
    tenant_id INTEGER NOT NULL,
    username  TEXT NOT NULL,
    dag_id    TEXT NOT NULL,
    PRIMARY KEY (tenant_id, username, dag_id),
    FOREIGN KEY (tenant_id, username) REFERENCES users ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, dag_id) REFERENCES dags ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX dag_favorites_by_dag ON dag_favorites (tenant_id, dag_id);
