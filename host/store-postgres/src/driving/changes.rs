//! The changes of a batch: new instances, moves, and what they leave behind. The caller holds the locks of the runs, and those of
//! what is [`on_queue`]. With both nobody else can change these instances: workers come only by the queue.

use std::collections::HashSet;

use airlock_core::id::RunKey;
use airlock_core::state::TaskState;
use airlock_store::driving::{Move, RunChange};
use airlock_store::support::batch::{CreateJson, InstanceJson, MoveJson, instance_names, to_json};
use airlock_store::support::rounds;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use crate::error::{Failure, Result};

/// Makes the new instances and applies the moves; answers the instances of those moves that found another state.
pub async fn apply(connection: &mut PgConnection, changes: &[(RunKey, &RunChange)]) -> Result<Vec<Uuid>> {
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

async fn create(connection: &mut PgConnection, changes: &[(RunKey, &RunChange)]) -> Result<()> {
    if changes.iter().all(|(_, change)| change.create.is_empty()) {
        return Ok(());
    }
    let rows = changes.iter().flat_map(|(run, change)| change.create.iter().map(|new| CreateJson::new(*run, new)));
    // In the order of the batch, which `ordinal` keeps.
    sqlx::query(
        "INSERT INTO task_instances (tenant_id, instance_id, run_key, task_id, map_index, state, try_number, max_tries,
             operator, pool, pool_slots, queue, priority_weight, scheduled_at)
         SELECT n.tenant, n.instance, n.run, n.task, n.map_index, n.state, 0, n.max_tries, n.operator, n.pool, n.pool_slots,
             n.queue, n.priority_weight, instant(n.scheduled_at)
         FROM ROWS FROM (json_to_recordset($1::json) AS (tenant bigint, run bigint, instance uuid, task text,
             map_index integer, state text, max_tries bigint, operator text, pool text, pool_slots bigint, queue text,
             priority_weight bigint, scheduled_at bigint))
             WITH ORDINALITY n (tenant, run, instance, task, map_index, state, max_tries, operator, pool, pool_slots, queue,
                 priority_weight, scheduled_at, place)
         ORDER BY n.place",
    )
    .bind(to_json(rows)?)
    .execute(connection)
    .await
    .map_err(|error| Failure::from(error).or_exists("task instance", "of this run, with one of these ids or names"))?;
    Ok(())
}

/// What a run's new version says of the instances that it has.
async fn refresh(connection: &mut PgConnection, changes: &[(RunKey, &RunChange)]) -> Result<()> {
    if changes.iter().all(|(_, change)| change.refresh.is_empty()) {
        return Ok(());
    }
    let rows = changes.iter().flat_map(|(run, change)| change.refresh.iter().map(|new| CreateJson::new(*run, new)));
    sqlx::query(
        "UPDATE task_instances AS i
         SET operator = n.operator, pool = n.pool, pool_slots = n.pool_slots, queue = n.queue,
             priority_weight = n.priority_weight
         FROM json_to_recordset($1::json) AS n (tenant bigint, run bigint, instance uuid, operator text, pool text,
             pool_slots bigint, queue text, priority_weight bigint)
         WHERE i.tenant_id = n.tenant AND i.instance_id = n.instance AND i.run_key = n.run",
    )
    .bind(to_json(rows)?)
    .execute(connection)
    .await?;
    Ok(())
}

/// Removes instances, and what belongs to them. Their tries go by themselves.
async fn remove(connection: &mut PgConnection, changes: &[(RunKey, &RunChange)]) -> Result<()> {
    let gone: Vec<_> =
        changes.iter().flat_map(|(run, change)| change.remove.iter().map(|id| (run.tenant.0, *id))).collect();
    let (tenants, instances): (Vec<i64>, Vec<Uuid>) = gone.into_iter().unzip();
    if instances.is_empty() {
        return Ok(());
    }
    // The queue first, as workers do.
    for statement in [
        "DELETE FROM queue q USING unnest($1::bigint[], $2::uuid[]) n (tenant_id, instance_id)
         WHERE q.tenant_id = n.tenant_id AND q.instance_id = n.instance_id",
        "DELETE FROM xcoms x USING unnest($1::bigint[], $2::uuid[]) n (tenant_id, instance_id)
         JOIN task_instances i USING (tenant_id, instance_id)
         WHERE x.tenant_id = i.tenant_id AND x.run_key = i.run_key AND x.task_id = i.task_id
             AND x.map_index = i.map_index",
        "DELETE FROM task_instances i USING unnest($1::bigint[], $2::uuid[]) n (tenant_id, instance_id)
         WHERE i.tenant_id = n.tenant_id AND i.instance_id = n.instance_id",
    ] {
        sqlx::query(statement).bind(&tenants).bind(&instances).execute(&mut *connection).await?;
    }
    Ok(())
}

/// What stood for all instances of a mapped task becomes the first of them.
async fn expand(connection: &mut PgConnection, changes: &[(RunKey, &RunChange)]) -> Result<()> {
    let first = changes.iter().flat_map(|(run, change)| change.expand.iter().map(|instance| (run.tenant, *instance)));
    let names = instance_names(first);
    if names == "[]" {
        return Ok(());
    }
    sqlx::query(
        "UPDATE task_instances AS i SET map_index = 0 FROM json_array_elements($1::json) n
         WHERE i.tenant_id = (n ->> 0)::bigint AND i.instance_id = (n ->> 1)::uuid AND i.map_index = -1",
    )
    .bind(names)
    .execute(connection)
    .await?;
    Ok(())
}

/// What moves and may be on the queue.
pub fn on_queue<'a>(changes: &'a [(RunKey, &'a RunChange)]) -> impl Iterator<Item = InstanceJson> + 'a {
    let holds_slot = |one: &&Move| one.from_states.iter().any(|state| state.is_some_and(TaskState::holds_slot));
    changes.iter().flat_map(move |(run, change)| {
        change.moves.iter().filter(holds_slot).map(|one| InstanceJson::new(*run, one.instance))
    })
}

/// Locks what is [`on_queue`], in its order.
pub async fn lock_queue(connection: &mut PgConnection, changes: &[(RunKey, &RunChange)]) -> Result<()> {
    let mut names = on_queue(changes).peekable();
    if names.peek().is_none() {
        return Ok(());
    }
    sqlx::query(
        "SELECT FROM json_to_recordset($1::json) AS n (tenant bigint, instance uuid)
         JOIN queue q ON q.tenant_id = n.tenant AND q.instance_id = n.instance
         ORDER BY q.tenant_id, q.instance_id FOR UPDATE OF q",
    )
    .bind(to_json(names)?)
    .execute(connection)
    .await?;
    Ok(())
}

/// One statement: the moves that fit their instances, the history of the tries that they end, and the queue rows that go.
/// What a row was before is read from `fit`, because all of a statement sees the state before it.
async fn apply_round(connection: &mut PgConnection, moves: &[(RunKey, &Move)]) -> Result<Vec<Uuid>> {
    let moved: Vec<Uuid> = sqlx::query_scalar(
        "WITH m AS MATERIALIZED (
             SELECT * FROM json_to_recordset($1::json) AS (tenant bigint, run bigint, instance uuid, from_states text,
                 from_try bigint, \"to\" text, finished boolean, to_try bigint, max_tries bigint, at bigint, wake_at bigint,
                 reschedules bigint, resume_state text, message text, token uuid, started_at bigint, ended_at bigint,
                 hostname text, final_state text, cause text, try_message text, rendered_fields text, skips text,
                 map_length bigint)
         ), fit AS MATERIALIZED (
             SELECT m.*, i.instance_row, q.queue_row, i.try_number, i.queued_at, i.started_at AS old_started_at, i.hostname AS old_hostname,
                 i.max_tries AS old_max_tries, coalesce(q.fenced_token, q.lease_token) AS lease_token,
                 coalesce(q.late_results, 0) AS late_results
             FROM m
             CROSS JOIN LATERAL (
                 SELECT ctid AS instance_row, * FROM task_instances WHERE tenant_id = m.tenant AND instance_id = m.instance
                 OFFSET 0
             ) i
             LEFT JOIN LATERAL (
                 SELECT ctid AS queue_row, * FROM queue WHERE tenant_id = m.tenant AND instance_id = m.instance OFFSET 0
             ) q ON true
             WHERE i.run_key = m.run AND i.try_number = m.from_try AND strpos(m.from_states, ',' || coalesce(i.state, '') || ',') > 0
                 AND (m.token IS NULL OR m.token = q.lease_token)
         ), closed AS (
             INSERT INTO task_tries (tenant_id, instance_id, try_number, state, queued_at, started_at, ended_at, hostname,
                 max_tries, cause, message, lease_token, late_results)
             SELECT tenant, instance, try_number, final_state, queued_at, coalesce(instant(started_at), old_started_at),
                 instant(ended_at), coalesce(hostname, old_hostname), old_max_tries, cause, try_message, lease_token,
                 late_results
             FROM fit WHERE final_state IS NOT NULL
             ON CONFLICT DO NOTHING
         ), gone AS (
             DELETE FROM queue q USING fit
             WHERE q.ctid = fit.queue_row AND coalesce(fit.\"to\", '') NOT IN ('queued', 'running')
         )
         UPDATE task_instances AS i
         SET state = m.\"to\", try_number = m.to_try, max_tries = m.max_tries, wake_at = instant(m.wake_at),
             reschedules = m.reschedules, resume_state = m.resume_state::json, message = m.message,
             scheduled_at = CASE m.\"to\" WHEN 'scheduled' THEN instant(m.at) ELSE i.scheduled_at END,
             -- What is cleared has not started; what ends without having run starts and ends at once, as in Airflow.
             started_at = CASE WHEN m.\"to\" IS NOT NULL
                 THEN coalesce(instant(m.started_at), i.started_at, CASE WHEN m.finished THEN instant(m.at) END) END,
             ended_at = CASE WHEN m.\"to\" IS NULL THEN NULL
                 WHEN m.finished OR m.\"to\" IN ('up_for_retry', 'up_for_reschedule')
                     THEN coalesce(instant(m.ended_at), instant(m.at))
                 ELSE i.ended_at END,
             first_started_at = CASE WHEN m.\"to\" IS NULL OR m.to_try <> m.from_try THEN NULL ELSE i.first_started_at END,
             hostname = coalesce(m.hostname, i.hostname),
             skips = CASE WHEN m.final_state IS NULL THEN i.skips ELSE m.skips::json END,
             rendered_fields = coalesce(m.rendered_fields::json, i.rendered_fields),
             map_length = CASE WHEN m.final_state IS NULL THEN i.map_length ELSE m.map_length END
         FROM fit m WHERE i.ctid = m.instance_row
         RETURNING i.instance_id",
    )
    .bind(to_json(moves.iter().map(|(run, one)| MoveJson::new(*run, one)))?)
    .fetch_all(connection)
    .await?;
    if moved.len() == moves.len() {
        return Ok(Vec::new());
    }
    let moved: HashSet<Uuid> = moved.into_iter().collect();
    Ok(moves.iter().map(|(_, one)| one.instance).filter(|instance| !moved.contains(instance)).collect())
}
