CREATE TABLE backfills (
    backfill_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id         bigint NOT NULL,
    dag_id            text COLLATE "C" NOT NULL,
    from_date         timestamptz NOT NULL,
    to_date           timestamptz NOT NULL,
    conf              json,
    reprocess         text COLLATE "C" NOT NULL CHECK (reprocess IN ('none', 'failed', 'completed')),
    max_active_runs   bigint NOT NULL CHECK (max_active_runs >= 1),
    on_latest_version boolean NOT NULL,
    triggering_user   text,
    is_paused         boolean NOT NULL DEFAULT false,
    created_at        timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL,
    completed_at      timestamptz,
    slots             bigint NOT NULL CHECK (slots >= 1),
    -- The slot whose turn it is; null when each has had its.
    next_slot         bigint DEFAULT 1,
    -- What `active_runs` says of this backfill while it is not completed, as in `dags`; the first queued run by its slot.
    unfinished_runs   bigint NOT NULL DEFAULT 0,
    running_runs      bigint NOT NULL DEFAULT 0,
    first_queued      bigint,
    UNIQUE (tenant_id, backfill_id),
    FOREIGN KEY (tenant_id, dag_id) REFERENCES dags ON DELETE CASCADE
);
CREATE INDEX backfills_by_dag ON backfills (tenant_id, dag_id);
-- One at a time.
CREATE UNIQUE INDEX backfills_active ON backfills (tenant_id, dag_id) WHERE completed_at IS NULL;
-- Runs are made a little ahead of those that may start, so that a long backfill does not fill the hot tables.
CREATE INDEX backfills_to_open ON backfills (backfill_id)
    WHERE completed_at IS NULL AND next_slot IS NOT NULL AND unfinished_runs < max_active_runs + 100;
CREATE INDEX backfills_to_start ON backfills (first_queued)
    WHERE completed_at IS NULL AND NOT is_paused AND first_queued IS NOT NULL AND running_runs < max_active_runs;
CREATE INDEX backfills_to_complete ON backfills (backfill_id)
    WHERE completed_at IS NULL AND next_slot IS NULL AND unfinished_runs = 0;

-- A run that a backfill is to have. When its turn has come, it has the run or the reason why there is none.
CREATE TABLE backfill_slots (
    tenant_id      bigint NOT NULL,
    backfill_id    bigint NOT NULL,
    ordinal        bigint NOT NULL,
    logical_date   timestamptz,
    interval_start timestamptz,
    interval_end   timestamptz,
    run_after      timestamptz NOT NULL,
    run_key        bigint,
    reason         text COLLATE "C" CHECK (reason IN ('in flight', 'already exists')),
    PRIMARY KEY (tenant_id, backfill_id, ordinal),
    FOREIGN KEY (tenant_id, backfill_id) REFERENCES backfills (tenant_id, backfill_id) ON DELETE CASCADE,
    CHECK (run_key IS NULL OR reason IS NULL)
);

ALTER TABLE dag_runs ADD COLUMN backfill_id bigint, ADD COLUMN backfill_ordinal bigint;

-- Only of a backfill that is not completed: a run that is started anew later is one like any other. What belongs to a backfill
-- does not count in `dags`.
ALTER TABLE active_runs ADD COLUMN backfill_id bigint, ADD COLUMN backfill_ordinal bigint;
CREATE INDEX active_runs_by_backfill ON active_runs (tenant_id, backfill_id, state, backfill_ordinal)
    WHERE backfill_id IS NOT NULL;
