-- What a run of a partitioned DAG is about. The date is null where a person named the key.
ALTER TABLE dag_runs ADD COLUMN partition_key TEXT;
ALTER TABLE dag_runs ADD COLUMN partition_date INTEGER;

-- Such runs have no logical date: the newest of them is found by when it was due.
CREATE INDEX dag_runs_of_partitions ON dag_runs (tenant_id, dag_id, run_after)
    WHERE run_type = 'scheduled' AND partition_key IS NOT NULL;
