-- The run's, when the try was queued: what a worker remembers of a run holds until the run is cleared.
ALTER TABLE queue ADD COLUMN clear_number bigint NOT NULL DEFAULT 0;
