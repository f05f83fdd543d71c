//! A worker takes tries.

use airlock_core::id::TenantId;
use airlock_store::queue::ClaimedTry;
use airlock_store::support::{Backlog, Turns};
use chrono::{DateTime, Utc};
use sqlx::Postgres;
use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use sqlx::query::Query;
use sqlx::types::Json;
use uuid::Uuid;

use crate::PostgresStore;
use crate::driving::run_key;
use crate::error::Result;
use crate::row::Columns;

pub struct Claim<'a> {
    pub worker: Uuid,
    pub hostname: &'a str,
    pub queues: &'a [String],
    pub limit: u32,
    pub now: DateTime<Utc>,
    pub until: DateTime<Utc>,
}

/// Tenants that have work, from one to the next by the index, so that the cost is in tenants and not in queued tries.
macro_rules! tenants {
    () => {
        "waiting (queue, tenant_id) AS (
             SELECT n.queue, (SELECT min(q.tenant_id) FROM queue q WHERE q.state = 'queued' AND q.queue = n.queue)
             FROM jsonb_array_elements_text($1) n (queue)
             UNION ALL
             SELECT w.queue, (SELECT min(q.tenant_id) FROM queue q
                              WHERE q.state = 'queued' AND q.queue = w.queue AND q.tenant_id > w.tenant_id)
             FROM waiting w WHERE w.tenant_id IS NOT NULL
         ), tenants AS MATERIALIZED (
             SELECT DISTINCT tenant_id FROM waiting WHERE tenant_id IS NOT NULL
         )"
    };
}

/// Takes each tenant's first tries off the queue, starts them, queues the callbacks that are due then, and forgets what their
/// earlier tries pushed, in one statement. `shares` says how many of which tenant.
/// A first try has nothing before it, and a call that goes on with a try keeps what it has.
macro_rules! take {
    () => {
        ", chosen AS MATERIALIZED (
             SELECT c.place
             FROM shares s
             CROSS JOIN LATERAL (
                 SELECT q.place
                 FROM jsonb_array_elements_text($1) n (queue)
                 CROSS JOIN LATERAL (
                     SELECT c.ctid AS place, c.priority, c.position FROM queue c
                     WHERE c.state = 'queued' AND c.queue = n.queue AND c.tenant_id = s.tenant_id
                     ORDER BY c.priority DESC, c.position LIMIT s.share FOR UPDATE SKIP LOCKED
                 ) q
                 ORDER BY q.priority DESC, q.position LIMIT s.share
             ) c
         ), claimed AS (
             UPDATE queue AS q
             SET state = 'running', worker = $2, hostname = $3, lease_token = gen_random_uuid(), lease_until = $4,
                 started_at = $5, first_started_at = coalesce(q.first_started_at, $5)
             -- By their places, because they are locked: any other plan may go through what has left the queue lately.
             WHERE q.ctid = ANY (ARRAY(SELECT place FROM chosen))
             RETURNING q.*
         ), started AS (
             UPDATE task_instances AS i
             SET state = 'running', started_at = $5, ended_at = NULL, hostname = $3,
                 first_started_at = coalesce(i.first_started_at, $5)
             WHERE i.tenant_id = ANY (ARRAY(SELECT DISTINCT tenant_id FROM claimed))
                 AND i.instance_id = ANY (ARRAY(SELECT instance_id FROM claimed))
         ), forgotten AS (
             DELETE FROM xcoms x USING claimed c
             WHERE c.try_number > 1 AND c.first_started_at = c.started_at AND x.tenant_id = c.tenant_id
                 AND x.run_key = c.run_key AND x.task_id = c.task_id AND x.map_index = c.map_index
         ), due AS (
             INSERT INTO callbacks (tenant_id, callback_id, run_key, dag_id, run_id, dag_version, event, place, instance_id,
                 task_id, map_index, try_number, max_tries, about, queue, state, created_at)
             SELECT c.tenant_id, n.id, c.run_key, c.dag_id, c.run_id, c.dag_version, n.event, n.place, c.instance_id,
                 c.task_id, c.map_index, c.try_number, c.max_tries, n.about::json, n.queue, 'queued', $5
             FROM claimed c
             CROSS JOIN LATERAL json_to_recordset(c.on_execute) n (id uuid, event text, place bigint, about text, queue text)
             WHERE c.on_execute IS NOT NULL
             ORDER BY c.position, n.place
             ON CONFLICT DO NOTHING
         )
         SELECT o.tenants, c.tenant_id, instance_id, run_key, dag_id, run_id, task_id, map_index, dag_version, try_number,
             max_tries, lease_token, first_started_at, reschedules, clear_number, epoch, resume,
             on_execute IS NOT NULL AS has_callbacks
         FROM others o LEFT JOIN claimed c ON true
         ORDER BY c.tenant_id, priority DESC, position"
    };
}

pub async fn claim(store: &PostgresStore, claim: &Claim<'_>) -> Result<Vec<ClaimedTry>> {
    let mut connection = store.kept.acquire().await?;
    let claimed = take(&mut connection, &store.turns, claim).await?;
    store.kept.keep(connection);
    Ok(claimed)
}

/// What waits of a single tenant needs no sharing out, and is taken in the statement that finds out so: nearly always there is
/// one. Otherwise this looks before it takes, and others may take in between: then a claim gets less than it could, and the next
/// one gets it.
async fn take(connection: &mut PgConnection, turns: &Turns, claim: &Claim<'_>) -> Result<Vec<ClaimedTry>> {
    // A claim that overlaps with another may see rows of it as locked, and skips them: no two get the same, and none waits.
    let rows = bound(
        concat!(
            "WITH RECURSIVE ",
            tenants!(),
            ", shares AS (
                 SELECT min(tenant_id) AS tenant_id, $6::bigint AS share FROM tenants HAVING count(*) = 1
             ), others AS (
                 SELECT array_agg(tenant_id) AS tenants FROM tenants HAVING count(*) > 0
             )",
            take!()
        ),
        claim,
    )
    .bind(i64::from(claim.limit))
    .fetch_all(&mut *connection)
    .await?;
    let Some(first) = rows.first() else { return Ok(Vec::new()) };
    let tenants: Vec<i64> = first.get("tenants")?;
    if tenants.len() == 1 {
        return claimed_tries(&rows);
    }
    let backlogs = backlogs(connection, claim.queues, &tenants, claim.limit).await?;
    let shares = turns.share(&backlogs, claim.limit);
    let rows = bound(
        concat!(
            "WITH shares AS MATERIALIZED (
                 SELECT (s ->> 0)::bigint AS tenant_id, (s ->> 1)::bigint AS share FROM jsonb_array_elements($6) s
             ), others AS (
                 SELECT ARRAY[]::bigint[] AS tenants
             )",
            take!()
        ),
        claim,
    )
    .bind(Json(shares.iter().map(|(tenant, share)| (tenant.0, *share)).collect::<Vec<_>>()))
    .fetch_all(connection)
    .await?;
    claimed_tries(&rows)
}

fn bound<'q>(statement: &'static str, claim: &'q Claim<'_>) -> Query<'q, Postgres, PgArguments> {
    sqlx::query(statement)
        .bind(Json(claim.queues))
        .bind(claim.worker)
        .bind(claim.hostname)
        .bind(claim.until)
        .bind(claim.now)
}

/// Where nothing was taken there is one row without a try.
fn claimed_tries(rows: &[PgRow]) -> Result<Vec<ClaimedTry>> {
    let mut claimed = Vec::with_capacity(rows.len());
    for row in rows {
        if row.get::<Option<i64>>("tenant_id")?.is_some() {
            claimed.push(claimed_try(row)?);
        }
    }
    Ok(claimed)
}

async fn backlogs(
    connection: &mut PgConnection,
    queues: &[String],
    tenants: &[i64],
    limit: u32,
) -> Result<Vec<Backlog>> {
    let rows = sqlx::query(
        "WITH running AS MATERIALIZED (
             SELECT tenant_id, count(*) AS tries FROM queue WHERE state = 'running' GROUP BY tenant_id
         )
         SELECT t.tenant_id, coalesce(r.tries, 0) AS running, q.tries AS queued
         FROM unnest($2::bigint[]) t (tenant_id)
         LEFT JOIN running r USING (tenant_id)
         CROSS JOIN LATERAL (
             SELECT count(*) AS tries
             FROM unnest($1::text[]) n (queue)
             CROSS JOIN LATERAL (
                 SELECT FROM queue c WHERE c.state = 'queued' AND c.queue = n.queue AND c.tenant_id = t.tenant_id LIMIT $3
             ) c
         ) q",
    )
    .bind(queues)
    .bind(tenants)
    .bind(i64::from(limit))
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Backlog {
                tenant: TenantId(row.get("tenant_id")?),
                running: row.number("running")?,
                queued: row.number("queued")?,
            })
        })
        .collect()
}

fn claimed_try(row: &PgRow) -> Result<ClaimedTry> {
    Ok(ClaimedTry {
        run: run_key(row)?,
        instance: row.get("instance_id")?,
        dag_id: row.get("dag_id")?,
        run_id: row.get("run_id")?,
        task_id: row.get("task_id")?,
        map_index: row.get("map_index")?,
        dag_version: row.number("dag_version")?,
        try_number: row.number("try_number")?,
        max_tries: row.number("max_tries")?,
        lease_token: row.get("lease_token")?,
        first_started_at: row.get("first_started_at")?,
        reschedules: row.number("reschedules")?,
        clear_number: row.number("clear_number")?,
        epoch: row.get("epoch")?,
        resume: row.optional_json("resume")?,
        has_callbacks: row.get("has_callbacks")?,
    })
}
