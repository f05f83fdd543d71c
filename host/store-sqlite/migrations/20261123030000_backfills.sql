CREATE TABLE backfills (
    backfill_id       INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id         INTEGER NOT NULL,
    dag_id            TEXT NOT NULL,
    from_date         INTEGER NOT NULL,
    to_date           INTEGER NOT NULL,
    conf              TEXT,
    reprocess         TEXT NOT NULL CHECK (reprocess IN ('none', 'failed', 'completed')),
    max_active_runs   INTEGER NOT NULL CHECK (max_active_runs >= 1),
    on_latest_version INTEGER NOT NULL CHECK (on_latest_version IN (0, 1)),
    triggering_user   TEXT,
    is_paused         INTEGER NOT NULL DEFAULT 0 CHECK (is_paused IN (0, 1)),
    created_at        INTEGER NOT NULL,
    updated_at        INTEGER NOT NULL,
    completed_at      INTEGER,
    slots             INTEGER NOT NULL CHECK (slots >= 1),
    -- The slot whose turn it is; null when each has had its.
    next_slot         INTEGER DEFAULT 1,
    -- What `active_runs` says of this backfill while it is not completed, as in `dags`; the first queued run by its slot.
    unfinished_runs   INTEGER NOT NULL DEFAULT 0,
    running_runs      INTEGER NOT NULL DEFAULT 0,
    first_queued      INTEGER,
    UNIQUE (tenant_id, backfill_id),
    FOREIGN KEY (tenant_id, dag_id) REFERENCES dags ON DELETE CASCADE
) STRICT;
CREATE INDEX backfills_by_dag ON backfills (tenant_id, dag_id);
-- One at a time.
CREATE UNIQUE INDEX backfills_active ON backfills (tenant_id, dag_id) WHERE completed_at IS NULL;
-- Runs are made a little ahead of those that may start, so that a long backfill does not fill the hot tables.
CREATE INDEX backfills_to_open ON backfills (backfill_id)
    WHERE completed_at IS NULL AND next_slot IS NOT NULL AND unfinished_runs < max_active_runs + 100;
CREATE INDEX backfills_to_start ON backfills (first_queued)
    WHERE completed_at IS NULL AND is_paused = 0 AND first_queued IS NOT NULL AND running_runs < max_active_runs;
CREATE INDEX backfills_to_complete ON backfills (backfill_id)
    WHERE completed_at IS NULL AND next_slot IS NULL AND unfinished_runs = 0;

-- A run that a backfill is to have. When its turn has come, it has the run or the reason why there is none.
CREATE TABLE backfill_slots (
    tenant_id      INTEGER NOT NULL,
    backfill_id    INTEGER NOT NULL,
    ordinal        INTEGER NOT NULL,
    logical_date   INTEGER,
    interval_start INTEGER,
    interval_end   INTEGER,
    run_after      INTEGER NOT NULL,
    run_key        INTEGER,
    reason         TEXT CHECK (reason IN ('in flight', 'already exists')),
    PRIMARY KEY (tenant_id, backfill_id, ordinal),
    FOREIGN KEY (tenant_id, backfill_id) REFERENCES backfills (tenant_id, backfill_id) ON DELETE CASCADE,
    CHECK (run_key IS NULL OR reason IS NULL)
) STRICT, WITHOUT ROWID;

ALTER TABLE dag_runs ADD COLUMN backfill_id INTEGER;
ALTER TABLE dag_runs ADD COLUMN backfill_ordinal INTEGER;

-- Only of a backfill that is not completed: a run that is started anew later is one like any other. What belongs to a backfill
-- does not count in `dags`.
ALTER TABLE active_runs ADD COLUMN backfill_id INTEGER;
ALTER TABLE active_runs ADD COLUMN backfill_ordinal INTEGER;
CREATE INDEX active_runs_by_backfill ON active_runs (tenant_id, backfill_id, state, backfill_ordinal)
    WHERE backfill_id IS NOT NULL;
