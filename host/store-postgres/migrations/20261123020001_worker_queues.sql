-- The queues that a worker takes from.
ALTER TABLE processes ADD COLUMN queues text[] NOT NULL DEFAULT '{}';
