-- How many elements the last try of an instance returned, for tasks that are mapped over it.
ALTER TABLE task_instances ADD COLUMN map_length BIGINT;
-- What `map_index_template` made of an instance of a mapped task.
ALTER TABLE task_instances ADD COLUMN rendered_map_index TEXT;
