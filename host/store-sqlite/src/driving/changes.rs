//! The changes of a batch: new instances, moves, and the states of runs.

use std::collections::HashSet;

use airlock_core::id::RunKey;
use airlock_core::state::TaskState;
use airlock_store::driving::{Move, RunChange};
use airlock_store::support::rounds;
use sqlx::sqlite::SqliteConnection;
use uuid::Uuid;

use crate::error::{Failure, Result};
use crate::row::batch;
use airlock_store::support::batch::{CreateJson, MoveJson, instance_names, to_json};

/// Makes the new instances and applies the moves; answers the instances of those moves that found another state.
pub async fn apply(connection: &mut SqliteConnection, changes: &[(RunKey, &RunChange)]) -> Result<Vec<Uuid>> {
    create(connection, changes).await?;
    refresh(connection, changes).await?;
    remove(connection, changes).await?;
    expand(connection, changes).await?;
    let mut refused = Vec::new();
    for round in rounds(changes.iter().copied()) {
        refused.extend(apply_round(connection, &round).await?);
    }
    Ok(refused)
}

async fn create(connection: &mut SqliteConnection, changes: &[(RunKey, &RunChange)]) -> Result<()> {
    if changes.iter().all(|(_, change)| change.create.is_empty()) {
        return Ok(());
    }
    let rows = changes.iter().flat_map(|(run, change)| change.create.iter().map(|new| CreateJson::new(*run, new)));
    sqlx::query(concat!(
        "WITH ",
        batch!("?1"),
        " INSERT INTO task_instances (tenant_id, instance_id, run_key, task_id, map_index, state, try_number, max_tries, operator,
             pool, pool_slots, queue, priority_weight, scheduled_at)
         SELECT row ->> 'tenant', unhex(row ->> 'instance'), row ->> 'run', row ->> 'task', row ->> 'map_index',
             row ->> 'state', 0, row ->> 'max_tries', row ->> 'operator', row ->> 'pool', row ->> 'pool_slots',
             row ->> 'queue', row ->> 'priority_weight', row ->> 'scheduled_at'
         FROM batch"
    ))
    .bind(to_json(rows)?)
    .execute(connection)
    .await
    .map_err(|error| Failure::from(error).or_exists("task instance", "of this run, with one of these ids or names"))?;
    Ok(())
}

/// What a run's new version says of the instances that it has.
async fn refresh(connection: &mut SqliteConnection, changes: &[(RunKey, &RunChange)]) -> Result<()> {
    if changes.iter().all(|(_, change)| change.refresh.is_empty()) {
        return Ok(());
    }
    let rows = changes.iter().flat_map(|(run, change)| change.refresh.iter().map(|new| CreateJson::new(*run, new)));
    sqlx::query(
        "UPDATE task_instances AS i
         SET operator = n.value ->> 'operator', pool = n.value ->> 'pool', pool_slots = n.value ->> 'pool_slots',
             queue = n.value ->> 'queue', priority_weight = n.value ->> 'priority_weight'
         FROM json_each(?1) n
         WHERE i.tenant_id = n.value ->> 'tenant' AND i.instance_id = unhex(n.value ->> 'instance')
             AND i.run_key = n.value ->> 'run'",
    )
    .bind(to_json(rows)?)
    .execute(connection)
    .await?;
    Ok(())
}

/// Removes instances, and what belongs to them. Their tries go by themselves.
async fn remove(connection: &mut SqliteConnection, changes: &[(RunKey, &RunChange)]) -> Result<()> {
    if changes.iter().all(|(_, change)| change.remove.is_empty()) {
        return Ok(());
    }
    let gone = changes.iter().flat_map(|(run, change)| change.remove.iter().map(|id| (run.tenant, *id)));
    sqlx::query(
        "DELETE FROM queue WHERE position IN (
             SELECT q.position FROM json_each(?1) n
             CROSS JOIN queue q ON q.tenant_id = n.value ->> 0 AND q.instance_id = unhex(n.value ->> 1));
         DELETE FROM xcoms WHERE xcom_key IN (
             SELECT x.xcom_key FROM json_each(?1) n
             CROSS JOIN task_instances i ON i.tenant_id = n.value ->> 0 AND i.instance_id = unhex(n.value ->> 1)
             CROSS JOIN xcoms x ON x.tenant_id = i.tenant_id AND x.run_key = i.run_key AND x.task_id = i.task_id
                 AND x.map_index = i.map_index);
         DELETE FROM task_instances WHERE ordinal IN (
             SELECT i.ordinal FROM json_each(?1) n
             CROSS JOIN task_instances i ON i.tenant_id = n.value ->> 0 AND i.instance_id = unhex(n.value ->> 1))",
    )
    .bind(instance_names(gone))
    .execute(&mut *connection)
    .await?;
    Ok(())
}

/// What stood for all instances of a mapped task becomes the first of them.
async fn expand(connection: &mut SqliteConnection, changes: &[(RunKey, &RunChange)]) -> Result<()> {
    let first = changes.iter().flat_map(|(run, change)| change.expand.iter().map(|instance| (run.tenant, *instance)));
    let names = instance_names(first);
    if names == "[]" {
        return Ok(());
    }
    sqlx::query(
        "UPDATE task_instances AS i SET map_index = 0 FROM json_each(?1) n
         WHERE i.tenant_id = n.value ->> 0 AND i.instance_id = unhex(n.value ->> 1) AND i.map_index = -1",
    )
    .bind(names)
    .execute(connection)
    .await?;
    Ok(())
}

/// What every statement of a round reads.
macro_rules! moves {
    () => {
        concat!(
            "WITH ",
            batch!("?1"),
            ", m AS MATERIALIZED (
             SELECT row ->> 'tenant' AS tenant_id, row ->> 'run' AS run_key, unhex(row ->> 'instance') AS instance_id,
                 row ->> 'from_states' AS from_states, row ->> 'from_try' AS from_try, row ->> 'to' AS \"to\",
                 row ->> 'finished' AS finished, row ->> 'to_try' AS to_try, row ->> 'max_tries' AS max_tries,
                 row ->> 'at' AS at, row ->> 'wake_at' AS wake_at, row ->> 'reschedules' AS reschedules,
                 row ->> 'resume_state' AS resume_state, row ->> 'message' AS message, unhex(row ->> 'token') AS token,
                 row ->> 'started_at' AS started_at, row ->> 'ended_at' AS ended_at, row ->> 'hostname' AS hostname,
                 row ->> 'final_state' AS final_state, row ->> 'cause' AS cause, row ->> 'try_message' AS try_message,
                 row ->> 'rendered_fields' AS rendered_fields, row ->> 'skips' AS skips,
                 row ->> 'map_length' AS map_length
             FROM batch
         )"
        )
    };
}

/// Writes the history of the tries that the moves end. It comes before the moves, under the same condition, because they
/// overwrite what it keeps.
macro_rules! close_tries {
    () => {
        concat!(
            moves!(),
            "INSERT INTO task_tries (tenant_id, instance_id, try_number, state, queued_at, started_at, ended_at, hostname,
                 max_tries, cause, message, lease_token, late_results)
             SELECT i.tenant_id, i.instance_id, i.try_number, m.final_state, i.queued_at,
                 coalesce(m.started_at, i.started_at), m.ended_at, coalesce(m.hostname, i.hostname), i.max_tries, m.cause,
                 m.try_message, coalesce(q.fenced_token, q.lease_token), coalesce(q.late_results, 0)
             FROM m
             CROSS JOIN task_instances i ON i.tenant_id = m.tenant_id AND i.instance_id = m.instance_id
                 AND i.run_key = m.run_key AND i.try_number = m.from_try
                 AND instr(m.from_states, ',' || coalesce(i.state, '') || ',') > 0
             LEFT JOIN queue q ON q.tenant_id = i.tenant_id AND q.instance_id = i.instance_id
             WHERE m.final_state IS NOT NULL AND (m.token IS NULL OR m.token = q.lease_token)
             ON CONFLICT DO NOTHING;"
        )
    };
}

/// Applies the moves.
macro_rules! apply_moves {
    () => {
        concat!(
            moves!(),
            "UPDATE task_instances AS i
             SET state = m.\"to\", try_number = m.to_try, max_tries = m.max_tries, wake_at = m.wake_at,
                 reschedules = m.reschedules, resume_state = m.resume_state, message = m.message,
                 scheduled_at = CASE m.\"to\" WHEN 'scheduled' THEN m.at ELSE i.scheduled_at END,
                 -- What is cleared has not started; what ends without having run starts and ends at once, as in Airflow.
                 started_at = CASE WHEN m.\"to\" IS NULL THEN NULL
                     ELSE coalesce(m.started_at, i.started_at, CASE WHEN m.finished THEN m.at END) END,
                 ended_at = CASE WHEN m.\"to\" IS NULL THEN NULL
                     WHEN m.finished OR m.\"to\" IN ('up_for_retry', 'up_for_reschedule') THEN coalesce(m.ended_at, m.at)
                     ELSE i.ended_at END,
                 first_started_at = CASE WHEN m.\"to\" IS NULL OR m.to_try <> m.from_try THEN NULL
                     ELSE i.first_started_at END,
                 hostname = coalesce(m.hostname, i.hostname),
                 skips = CASE WHEN m.final_state IS NULL THEN i.skips ELSE m.skips END,
                 rendered_fields = coalesce(m.rendered_fields, i.rendered_fields),
                 map_length = CASE WHEN m.final_state IS NULL THEN i.map_length ELSE m.map_length END
             FROM m
             WHERE i.tenant_id = m.tenant_id AND i.instance_id = m.instance_id AND i.run_key = m.run_key
                 AND i.try_number = m.from_try AND instr(m.from_states, ',' || coalesce(i.state, '') || ',') > 0
                 AND (m.token IS NULL OR EXISTS (
                     SELECT 1 FROM queue q WHERE q.tenant_id = m.tenant_id AND q.instance_id = m.instance_id
                         AND q.lease_token = m.token))
             RETURNING instance_id;"
        )
    };
}

/// Keeps the invariant of `queue`: whatever has left `queued` and `running` has no row there.
macro_rules! leave_queue {
    () => {
        concat!(
            "WITH ",
            batch!("?1"),
            " DELETE FROM queue WHERE position IN (
                 SELECT q.position
                 FROM batch CROSS JOIN queue q ON q.tenant_id = row ->> 'tenant' AND q.instance_id = unhex(row ->> 'instance')
                 CROSS JOIN task_instances i ON i.tenant_id = q.tenant_id AND i.instance_id = q.instance_id
                 WHERE coalesce(i.state, '') NOT IN ('queued', 'running'))"
        )
    };
}

async fn apply_round(connection: &mut SqliteConnection, moves: &[(RunKey, &Move)]) -> Result<Vec<Uuid>> {
    let closes = |one: &Move| one.settles.as_ref().is_some_and(|settles| settles.final_state.is_some());
    let on_queue = |one: &Move| one.from_states.iter().any(|state| state.is_some_and(TaskState::holds_slot));
    // Several statements in one text are one trip to sqlx's thread; all have the same argument.
    let statements = if moves.iter().any(|(_, one)| closes(one)) {
        concat!(close_tries!(), apply_moves!(), leave_queue!())
    } else if moves.iter().any(|(_, one)| on_queue(one)) {
        concat!(apply_moves!(), leave_queue!())
    } else {
        apply_moves!()
    };
    let moved: Vec<Uuid> = sqlx::query_scalar(statements)
        .bind(to_json(moves.iter().map(|(run, one)| MoveJson::new(*run, one)))?)
        .fetch_all(connection)
        .await?;
    if moved.len() == moves.len() {
        return Ok(Vec::new());
    }
    let moved: HashSet<Uuid> = moved.into_iter().collect();
    Ok(moves.iter().map(|(_, one)| one.instance).filter(|instance| !moved.contains(instance)).collect())
}
