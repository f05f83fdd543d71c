//! A worker takes callbacks.

use airlock_store::callbacks::ClaimedCallback;

use super::read::{callback_row, columns};
use crate::PostgresStore;
use crate::error::Result;
use crate::queue::Claim;
use crate::row::Columns;

pub async fn claim(store: &PostgresStore, claim: &Claim<'_>) -> Result<Vec<ClaimedCallback>> {
    // From one tenant to the next by the index, and of each no more than could be claimed: the cost is in tenants that have
    // callbacks, not in callbacks. A tenant's turns come after what it has running, as for tries. What another worker takes
    // meanwhile is locked or not queued any more, and is passed over.
    let rows = sqlx::query(concat!(
        "WITH RECURSIVE waiting (queue, tenant_id) AS (
             SELECT n.queue, (SELECT min(q.tenant_id) FROM callbacks q WHERE q.state = 'queued' AND q.queue = n.queue)
             FROM unnest($1::text[]) n (queue)
             UNION ALL
             SELECT w.queue, (SELECT min(q.tenant_id) FROM callbacks q
                              WHERE q.state = 'queued' AND q.queue = w.queue AND q.tenant_id > w.tenant_id)
             FROM waiting w WHERE w.tenant_id IS NOT NULL
         ), tenants AS MATERIALIZED (
             SELECT DISTINCT tenant_id FROM waiting WHERE tenant_id IS NOT NULL
         ), running AS MATERIALIZED (
             SELECT tenant_id, count(*) AS callbacks FROM callbacks WHERE state = 'running' GROUP BY tenant_id
         ), offered AS (
             SELECT q.position, row_number() OVER (PARTITION BY t.tenant_id ORDER BY q.position)
                 + coalesce(r.callbacks, 0) AS turn
             FROM tenants t
             LEFT JOIN running r USING (tenant_id)
             CROSS JOIN unnest($1::text[]) n (queue)
             CROSS JOIN LATERAL (
                 SELECT c.position FROM callbacks c
                 WHERE c.state = 'queued' AND c.queue = n.queue AND c.tenant_id = t.tenant_id
                 ORDER BY c.position LIMIT $2
             ) q
         ), chosen AS MATERIALIZED (
             SELECT position FROM callbacks
             WHERE state = 'queued' AND position IN (SELECT o.position FROM offered o ORDER BY o.turn, o.position LIMIT $2)
             FOR UPDATE SKIP LOCKED
         ), claimed AS (
             UPDATE callbacks AS c
             SET state = 'running', attempts = c.attempts + 1, worker = $3, hostname = $4, lease_token = gen_random_uuid(),
                 lease_until = $5, started_at = $6, message = NULL
             FROM chosen n WHERE c.position = n.position
             RETURNING c.*
         )
         SELECT lease_token, (SELECT r.clear_number FROM dag_runs r
                              WHERE r.tenant_id = claimed.tenant_id AND r.run_key = claimed.run_key) AS clear_number, ",
        columns!(),
        " FROM claimed ORDER BY position"
    ))
    .bind(claim.queues)
    .bind(i64::from(claim.limit))
    .bind(claim.worker)
    .bind(claim.hostname)
    .bind(claim.until)
    .bind(claim.now)
    .fetch_all(&mut *store.connection().await?)
    .await?;
    let claimed = rows.iter().map(|row| {
        Ok(ClaimedCallback {
            row: callback_row(row)?,
            lease_token: row.get("lease_token")?,
            clear_number: row.number("clear_number")?,
        })
    });
    claimed.collect()
}
