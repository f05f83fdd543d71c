//! What a batch of changes means for triggers: some begin to wait, some do not wait any more, and some are worth a look.

use airlock_store::support::Waits;
use airlock_store::support::batch::{TriggerJson, instance_names, run_names, to_json};
use chrono::{DateTime, Utc};
use sqlx::postgres::PgConnection;

use crate::error::Result;

/// What somebody waits for who waits for the run `r` or for its tasks.
macro_rules! topics_of_run {
    () => {
        "'run:' || r.dag_id || ':' || r.run_id,
         'date:' || r.dag_id || ':' || (extract(epoch FROM r.logical_date) * 1000000)::bigint"
    };
}
pub(crate) use topics_of_run;

/// The triggers of the first argument's instances that wait no more, and those that wait for the second's runs.
macro_rules! concerned {
    () => {
        concat!(
            "WITH over AS MATERIALIZED (
             SELECT t.trigger_id FROM json_array_elements($1::json) n
             JOIN triggers t ON t.tenant_id = (n ->> 0)::bigint AND t.instance_id = (n ->> 1)::uuid
             JOIN task_instances i ON i.tenant_id = t.tenant_id AND i.instance_id = t.instance_id
             WHERE i.state IS DISTINCT FROM 'deferred'
         ), told AS MATERIALIZED (
             SELECT t.trigger_id FROM json_array_elements($2::json) n
             JOIN dag_runs r ON r.tenant_id = (n ->> 0)::bigint AND r.run_key = (n ->> 1)::bigint
             CROSS JOIN LATERAL unnest(ARRAY[",
            topics_of_run!(),
            "]) s (topic)
             JOIN triggers t ON t.tenant_id = r.tenant_id AND t.topic = s.topic
             WHERE t.ended_at IS NULL
         )"
        )
    };
}

/// Comes after the moves. Answers whether there are triggers to be looked at that were not before.
pub async fn apply_waits(connection: &mut PgConnection, waits: &Waits<'_>, now: DateTime<Utc>) -> Result<bool> {
    let mut due = false;
    if !waits.over.is_empty() || !waits.ended.is_empty() {
        due = change(connection, waits, now).await?;
    }
    if !waits.begun.is_empty() {
        let rows: Vec<_> =
            waits.begun.iter().map(|(run, new)| TriggerJson::new(*run, new)).collect::<serde_json::Result<_>>()?;
        sqlx::query(
            "INSERT INTO triggers (tenant_id, instance_id, run_key, try_number, definition, topic, created_at, next_look_at)
             SELECT i.tenant_id, i.instance_id, i.run_key, i.try_number, n.trigger::json, n.topic, instant(n.created_at),
                 instant(n.next_look_at)
             FROM json_to_recordset($1::json) AS n (tenant bigint, run bigint, instance uuid, try_number bigint, trigger text,
                 topic text, created_at bigint, next_look_at bigint)
             JOIN task_instances i ON i.tenant_id = n.tenant AND i.instance_id = n.instance AND i.run_key = n.run
                 AND i.try_number = n.try_number AND i.state = 'deferred'",
        )
        .bind(to_json(rows)?)
        .execute(&mut *connection)
        .await?;
        due |= waits.begun.iter().any(|(_, new)| new.first_look().is_some());
    }
    Ok(due)
}

/// Two batches may each end a wait for the other's run: both lock what they concern in one order first.
async fn change(connection: &mut PgConnection, waits: &Waits<'_>, now: DateTime<Utc>) -> Result<bool> {
    let (over, ended) = (instance_names(waits.over.iter().copied()), run_names(&waits.ended));
    let locked = sqlx::query(concat!(
        concerned!(),
        "SELECT FROM triggers WHERE trigger_id IN (SELECT trigger_id FROM over UNION SELECT trigger_id FROM told)
         ORDER BY trigger_id FOR UPDATE"
    ))
    .bind(&over)
    .bind(&ended)
    .execute(&mut *connection)
    .await?
    .rows_affected();
    if locked == 0 {
        return Ok(false);
    }
    // A look that is under way may have been too early to see what happened: it does not count any more.
    let told = sqlx::query(concat!(
        concerned!(),
        ", gone AS (DELETE FROM triggers WHERE trigger_id IN (SELECT trigger_id FROM over))
         UPDATE triggers SET next_look_at = $3, lease_token = NULL
         WHERE trigger_id IN (SELECT trigger_id FROM told EXCEPT SELECT trigger_id FROM over) AND ended_at IS NULL"
    ))
    .bind(&over)
    .bind(&ended)
    .bind(now)
    .execute(&mut *connection)
    .await?
    .rows_affected();
    Ok(told > 0)
}
