-- The queues that a worker takes from, a JSON list.
ALTER TABLE processes ADD COLUMN queues TEXT NOT NULL DEFAULT '[]';
