//! A worker takes callbacks.

use airlock_store::callbacks::ClaimedCallback;
use serde_json::Value;
use sqlx::sqlite::SqliteConnection;

use super::read::{callback_row, columns};
use crate::error::Result;
use crate::queue::Claim;
use crate::row::{Columns, micros};
use crate::{SqliteStore, begin};

pub async fn claim(store: &SqliteStore, claim: &Claim<'_>) -> Result<Vec<ClaimedCallback>> {
    let queues = Value::from(claim.queues).to_string();
    // Looked up by a reader: an idle worker never holds up those who write.
    if !any_queued(&mut *store.reader().await, &queues).await? {
        return Ok(Vec::new());
    }
    let mut writer = store.writer().await;
    let mut transaction = begin(&mut writer).await?;
    let claimed = take(&mut transaction, claim, &queues).await?;
    transaction.commit().await?;
    Ok(claimed)
}

async fn any_queued(connection: &mut SqliteConnection, queues: &str) -> Result<bool> {
    let any = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM json_each(?1) n CROSS JOIN callbacks c ON c.queue = n.value WHERE c.state = 'queued')",
    );
    Ok(any.bind(queues).fetch_one(connection).await?)
}

async fn take(connection: &mut SqliteConnection, claim: &Claim<'_>, queues: &str) -> Result<Vec<ClaimedCallback>> {
    // From one tenant to the next by the index, and of each no more than could be claimed: the cost is in tenants that have
    // callbacks, not in callbacks. A tenant's turns come after what it has running, as for tries.
    let rows = sqlx::query(concat!(
        "WITH RECURSIVE waiting (queue, tenant_id) AS (
             SELECT n.value, (SELECT min(q.tenant_id) FROM callbacks q WHERE q.state = 'queued' AND q.queue = n.value)
             FROM json_each(?1) n
             UNION ALL
             SELECT w.queue, (SELECT min(q.tenant_id) FROM callbacks q
                              WHERE q.state = 'queued' AND q.queue = w.queue AND q.tenant_id > w.tenant_id)
             FROM waiting w WHERE w.tenant_id IS NOT NULL
         ), tenants AS MATERIALIZED (
             SELECT DISTINCT tenant_id FROM waiting WHERE tenant_id IS NOT NULL
         ), running AS MATERIALIZED (
             SELECT tenant_id, count(*) AS callbacks FROM callbacks WHERE state = 'running' GROUP BY tenant_id
         ), offered AS (
             SELECT c.position, row_number() OVER (PARTITION BY c.tenant_id ORDER BY c.position)
                 + coalesce((SELECT r.callbacks FROM running r WHERE r.tenant_id = c.tenant_id), 0) AS turn
             FROM json_each(?1) n CROSS JOIN tenants t CROSS JOIN callbacks c
             WHERE c.position IN (SELECT q.position FROM callbacks q WHERE q.state = 'queued' AND q.queue = n.value
                                      AND q.tenant_id = t.tenant_id ORDER BY q.position LIMIT ?2 + 0)
         )
         UPDATE callbacks
         SET state = 'running', attempts = attempts + 1, worker = ?3, hostname = ?4, lease_token = randomblob(16),
             lease_until = ?5, started_at = ?6, message = NULL
         WHERE position IN (SELECT position FROM offered ORDER BY turn, position LIMIT ?2 + 0)
         RETURNING lease_token, position,
             (SELECT r.clear_number FROM dag_runs r WHERE r.run_key = callbacks.run_key) AS clear_number, ",
        columns!()
    ))
    .bind(queues)
    .bind(claim.limit)
    .bind(claim.worker)
    .bind(claim.hostname)
    .bind(micros(claim.until))
    .bind(micros(claim.now))
    .fetch_all(connection)
    .await?;
    let mut claimed = Vec::with_capacity(rows.len());
    for row in &rows {
        let one = ClaimedCallback {
            row: callback_row(row)?,
            lease_token: row.uuid("lease_token")?,
            clear_number: row.number("clear_number")?,
        };
        claimed.push((row.integer("position")?, one));
    }
    claimed.sort_by_key(|(position, _)| *position);
    Ok(claimed.into_iter().map(|(_, one)| one).collect())
}
