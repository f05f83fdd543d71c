-- The run's, when the try was queued: within an epoch nothing that has ended runs again, so that a worker may keep what it has read.
ALTER TABLE queue ADD COLUMN epoch bigint NOT NULL DEFAULT 0;
