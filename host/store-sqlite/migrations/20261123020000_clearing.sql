-- How often a run was queued again because it was cleared after its end.
ALTER TABLE dag_runs ADD COLUMN clear_number INTEGER NOT NULL DEFAULT 0;
-- A JSON list of task ids: the direct successors that the last try decided against. None: it decided nothing.
ALTER TABLE task_instances ADD COLUMN skips TEXT;
