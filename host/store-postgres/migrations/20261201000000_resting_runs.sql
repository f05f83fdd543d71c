-- A run without an owner may be taken from `lease_until` on: at once if it is null, later if the run rests because nothing is to happen in
-- it before.
ALTER TABLE active_runs DROP CONSTRAINT active_runs_check1;
ALTER TABLE active_runs ADD CHECK (owner IS NULL OR lease_until IS NOT NULL);
CREATE INDEX active_runs_resting ON active_runs (lease_until) WHERE state = 'running' AND owner IS NULL;
