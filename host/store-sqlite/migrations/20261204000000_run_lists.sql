-- A DAG's last runs, and a tenant's, are what people look at most: a page of them must not cost all of their history.
CREATE INDEX dag_runs_by_dag ON dag_runs (tenant_id, dag_id, run_after);
CREATE INDEX dag_runs_by_tenant ON dag_runs (tenant_id, run_after);
