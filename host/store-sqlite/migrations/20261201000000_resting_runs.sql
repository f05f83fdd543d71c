-- A run without an owner may be taken from `lease_until` on: at once if it is 0, later if the run rests because nothing is to happen in it
-- before.
CREATE INDEX active_runs_resting ON active_runs (lease_until) WHERE state = 'running' AND owner IS NULL;
