//! A worker takes tries.

use airlock_core::id::{RunKey, TenantId};
use airlock_store::queue::ClaimedTry;
use airlock_store::support::batch::instance_names;
use airlock_store::support::{Backlog, Turns};
use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use uuid::Uuid;

use crate::SqliteStore;
use crate::callbacks::insert_json;
use crate::error::Result;
use crate::row::{Columns, instant, micros};

pub struct Claim<'a> {
    pub worker: Uuid,
    pub hostname: &'a str,
    pub queues: &'a [String],
    pub limit: u32,
    pub now: DateTime<Utc>,
    pub until: DateTime<Utc>,
}

/// Takes a tenant's first tries off the queue. The inner LIMIT keeps the look at each queue to what could be claimed, in the order
/// of its index.
macro_rules! take {
    () => {
        "UPDATE queue
         SET state = 'running', worker = ?4, hostname = ?5, lease_token = randomblob(16), lease_until = ?6, started_at = ?7,
             first_started_at = coalesce(first_started_at, ?7)
         WHERE position IN (
             SELECT q.position FROM json_each(?1) n CROSS JOIN queue q
             WHERE q.position IN (SELECT c.position FROM queue c WHERE c.state = 'queued' AND c.queue = n.value
                                      AND c.tenant_id = ?2 ORDER BY c.priority DESC, c.position LIMIT ?3 + 0)
             ORDER BY q.priority DESC, q.position LIMIT ?3 + 0)
         RETURNING position, priority, tenant_id, instance_id, run_key, dag_id, run_id, task_id, map_index, dag_version,
             try_number, max_tries, lease_token, first_started_at, reschedules, clear_number, epoch, resume, on_execute"
    };
}

pub async fn claim(store: &SqliteStore, claim: &Claim<'_>) -> Result<Vec<ClaimedTry>> {
    let queues = Value::from(claim.queues).to_string();
    // Looked up by a reader: an idle worker that asks again and again never holds up those who write.
    let shares = shares(&mut *store.reader().await, &store.turns, &queues, claim.limit).await?;
    if shares.is_empty() {
        return Ok(Vec::new());
    }
    let mut writer = store.writer().await;
    writer.opens();
    let (mut claimed, mut on_execute) = (Vec::new(), Vec::new());
    for (place, share) in shares.into_iter().enumerate() {
        let statement = if place == 0 { concat!("BEGIN IMMEDIATE; ", take!()) } else { take!() };
        claimed.extend(take(&mut writer, statement, claim, &queues, share, &mut on_execute).await?);
    }
    if claimed.is_empty() {
        writer.commit().await?;
        return Ok(claimed);
    }
    for due in on_execute {
        insert_json(&mut writer, &due, Some(claim.now)).await?;
    }
    forget_xcoms(&mut writer, claim, &claimed).await?;
    start_and_commit(&mut writer, claim, &claimed).await?;
    writer.has_committed();
    Ok(claimed)
}

/// How many tries each tenant may claim.
async fn shares(
    connection: &mut SqliteConnection,
    turns: &Turns,
    queues: &str,
    limit: u32,
) -> Result<Vec<(TenantId, u32)>> {
    // From one tenant to the next by the index, so that the cost is in tenants that have work and not in queued tries.
    let tenants: Vec<i64> = sqlx::query_scalar(
        "WITH RECURSIVE waiting (queue, tenant_id) AS (
             SELECT n.value, (SELECT min(q.tenant_id) FROM queue q WHERE q.state = 'queued' AND q.queue = n.value)
             FROM json_each(?1) n
             UNION ALL
             SELECT w.queue, (SELECT min(q.tenant_id) FROM queue q
                              WHERE q.state = 'queued' AND q.queue = w.queue AND q.tenant_id > w.tenant_id)
             FROM waiting w WHERE w.tenant_id IS NOT NULL
         )
         SELECT DISTINCT tenant_id FROM waiting WHERE tenant_id IS NOT NULL",
    )
    .bind(queues)
    .fetch_all(&mut *connection)
    .await?;
    match tenants.as_slice() {
        [] => Ok(Vec::new()),
        [tenant] => Ok(vec![(TenantId(*tenant), limit)]),
        _ => Ok(turns.share(&backlogs(connection, queues, &tenants, limit).await?, limit)),
    }
}

async fn backlogs(
    connection: &mut SqliteConnection,
    queues: &str,
    tenants: &[i64],
    limit: u32,
) -> Result<Vec<Backlog>> {
    let rows = sqlx::query(
        "WITH running AS MATERIALIZED (SELECT tenant_id, count(*) AS tries FROM queue WHERE state = 'running'
                                       GROUP BY tenant_id)
         SELECT t.value AS tenant_id,
                coalesce((SELECT r.tries FROM running r WHERE r.tenant_id = t.value), 0) AS running,
                (SELECT count(*) FROM json_each(?1) n, queue q
                 WHERE q.position IN (SELECT c.position FROM queue c WHERE c.state = 'queued' AND c.queue = n.value
                                          AND c.tenant_id = t.value ORDER BY c.priority DESC, c.position LIMIT ?3 + 0)
                ) AS queued
         FROM json_each(?2) t",
    )
    .bind(queues)
    .bind(Value::from(tenants).to_string())
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Backlog {
                tenant: TenantId(row.integer("tenant_id")?),
                running: row.number("running")?,
                queued: row.number("queued")?,
            })
        })
        .collect()
}

/// Takes tries by one of the texts above, and adds the callbacks that are due then to `on_execute`.
async fn take(
    connection: &mut SqliteConnection,
    statement: &'static str,
    claim: &Claim<'_>,
    queues: &str,
    (tenant, share): (TenantId, u32),
    on_execute: &mut Vec<String>,
) -> Result<Vec<ClaimedTry>> {
    let rows = sqlx::query(statement)
        .bind(queues)
        .bind(tenant.0)
        .bind(share)
        .bind(claim.worker)
        .bind(claim.hostname)
        .bind(micros(claim.until))
        .bind(micros(claim.now))
        .fetch_all(connection)
        .await?;
    let mut claimed = Vec::with_capacity(rows.len());
    for row in &rows {
        on_execute.extend(row.optional_text("on_execute")?);
        claimed.push((std::cmp::Reverse(row.integer("priority")?), row.integer("position")?, claimed_try(row)?));
    }
    claimed.sort_by_key(|(priority, position, _)| (*priority, *position));
    Ok(claimed.into_iter().map(|(_, _, claimed)| claimed).collect())
}

fn claimed_try(row: &SqliteRow) -> Result<ClaimedTry> {
    Ok(ClaimedTry {
        run: RunKey { tenant: TenantId(row.integer("tenant_id")?), id: row.integer("run_key")? },
        instance: row.uuid("instance_id")?,
        dag_id: row.text("dag_id")?,
        run_id: row.text("run_id")?,
        task_id: row.text("task_id")?,
        map_index: row.number("map_index")?,
        dag_version: row.number("dag_version")?,
        try_number: row.number("try_number")?,
        max_tries: row.number("max_tries")?,
        lease_token: row.uuid("lease_token")?,
        first_started_at: row.instant("first_started_at")?,
        reschedules: row.number("reschedules")?,
        clear_number: row.number("clear_number")?,
        epoch: row.integer("epoch")?,
        resume: row.optional_json("resume")?,
        has_callbacks: row.optional_text("on_execute")?.is_some(),
    })
}

/// What was queued runs now; and ends the transaction.
async fn start_and_commit(connection: &mut SqliteConnection, claim: &Claim<'_>, claimed: &[ClaimedTry]) -> Result<()> {
    sqlx::query(
        "WITH claimed (tenant_id, instance_id) AS MATERIALIZED (SELECT value ->> 0, unhex(value ->> 1) FROM json_each(?1))
         UPDATE task_instances AS i
         SET state = 'running', started_at = ?2, ended_at = NULL, hostname = ?3,
             first_started_at = coalesce(i.first_started_at, ?2)
         FROM claimed c WHERE i.tenant_id = c.tenant_id AND i.instance_id = c.instance_id;
         COMMIT",
    )
    .bind(instance_names(claimed.iter().map(|one| (one.run.tenant, one.instance))))
    .bind(micros(claim.now))
    .bind(claim.hostname)
    .execute(connection)
    .await?;
    Ok(())
}

/// Removes what earlier tries pushed. A first try has none before it, and a call that goes on with a try keeps what it has.
async fn forget_xcoms(connection: &mut SqliteConnection, claim: &Claim<'_>, claimed: &[ClaimedTry]) -> Result<()> {
    let now = instant(micros(claim.now))?;
    let anew: Value = claimed
        .iter()
        .filter(|one| one.try_number > 1 && one.first_started_at == now)
        .map(|one| serde_json::json!([one.run.tenant.0, one.run.id, one.task_id, one.map_index]))
        .collect();
    if anew.as_array().is_none_or(Vec::is_empty) {
        return Ok(());
    }
    sqlx::query(
        "DELETE FROM xcoms WHERE xcom_key IN (
             SELECT x.xcom_key FROM json_each(?1) n CROSS JOIN xcoms x
             ON x.tenant_id = n.value ->> 0 AND x.run_key = n.value ->> 1 AND x.task_id = n.value ->> 2
                AND x.map_index = n.value ->> 3)",
    )
    .bind(anew.to_string())
    .execute(connection)
    .await?;
    Ok(())
}
