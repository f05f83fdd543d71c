//! A worker says how tries ended.

use std::collections::HashSet;

use airlock_store::queue::TryReport;
use airlock_store::support::batch::{ReportJson, XComJson, to_json};
use sqlx::Connection;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use crate::PostgresStore;
use crate::error::Result;

pub async fn report(store: &PostgresStore, reports: &[TryReport]) -> Result<Vec<Uuid>> {
    if reports.is_empty() {
        return Ok(Vec::new());
    }
    let mut connection = store.kept.acquire().await?;
    let accepted = accept(&mut connection, reports).await?;
    let mut stale: Vec<&TryReport> = reports.iter().filter(|report| !accepted.contains(&report.lease_token)).collect();
    if !stale.is_empty() {
        // A transaction of its own: should it fail, everything is reported again, and what was accepted counts as repeated.
        let mut transaction = connection.begin().await?;
        let repeated = repeated(&mut transaction, &stale).await?;
        stale.retain(|report| !repeated.contains(&report.lease_token));
        note_late(&mut transaction, &stale).await?;
        transaction.commit().await?;
    }
    store.kept.keep(connection);
    Ok(stale.into_iter().map(|report| report.lease_token).collect())
}

/// Writes the results of tries whose token holds, and what these tries push; answers those tokens. It is one statement, and
/// so a transaction: most reports are about one try, and `BEGIN` and `COMMIT` would cost it as much again.
async fn accept(connection: &mut PgConnection, reports: &[TryReport]) -> Result<HashSet<Uuid>> {
    let rows = to_json(reports.iter().map(ReportJson::new).collect::<serde_json::Result<Vec<_>>>()?)?;
    let xcoms: Vec<XComJson<'_>> = reports.iter().flat_map(XComJson::of).collect();
    let accepted: Vec<Uuid> = sqlx::query_scalar(
        "WITH report AS MATERIALIZED (
             SELECT * FROM json_to_recordset($1::json) AS (tenant bigint, instance uuid, token uuid, ended_at bigint,
                 result text, rendered_fields text, outlet_events text)
         ), held AS MATERIALIZED (
             SELECT r.*
             FROM (SELECT * FROM report ORDER BY tenant, instance) r
             CROSS JOIN LATERAL (
                 SELECT state, lease_token FROM queue WHERE tenant_id = r.tenant AND instance_id = r.instance
                 OFFSET 0 FOR NO KEY UPDATE
             ) q
             WHERE q.lease_token = r.token AND q.state = 'running'
         ), accepted AS (
             UPDATE queue AS q
             SET state = 'reported', ended_at = instant(r.ended_at), result = r.result::json,
                 rendered_fields = r.rendered_fields::json, outlet_events = r.outlet_events::json,
                 lease_until = NULL
             FROM held r WHERE q.tenant_id = r.tenant AND q.instance_id = r.instance AND q.lease_token = r.token
                 AND q.tenant_id = ANY (ARRAY(SELECT DISTINCT tenant FROM held))
                 AND q.instance_id = ANY (ARRAY(SELECT instance FROM held))
             RETURNING q.lease_token
         ), pushed AS (
             INSERT INTO xcoms (tenant_id, run_key, task_id, map_index, key, value, pushed_at)
             SELECT tenant, run, task, map_index, key, value::json, instant(pushed_at)
             FROM json_to_recordset($2::json) AS x (token uuid, tenant bigint, run bigint, task text, map_index integer, key text,
                 value text, pushed_at bigint)
             WHERE token IN (SELECT lease_token FROM accepted)
             ON CONFLICT (tenant_id, run_key, task_id, map_index, key)
                 DO UPDATE SET value = excluded.value, pushed_at = excluded.pushed_at
         )
         SELECT lease_token FROM accepted",
    )
    .bind(rows)
    .bind(to_json(xcoms)?)
    .fetch_all(connection)
    .await?;
    Ok(accepted.into_iter().collect())
}

fn names(reports: &[&TryReport]) -> (Vec<i64>, Vec<Uuid>, Vec<Uuid>) {
    let tenants = reports.iter().map(|report| report.run.tenant.0).collect();
    let instances = reports.iter().map(|report| report.instance).collect();
    (tenants, instances, reports.iter().map(|report| report.lease_token).collect())
}

/// Of these tokens, those under which a result has been accepted before: their worker did not hear the answer.
async fn repeated(connection: &mut PgConnection, reports: &[&TryReport]) -> Result<HashSet<Uuid>> {
    let (tenants, instances, tokens) = names(reports);
    let repeated: Vec<Uuid> = sqlx::query_scalar(
        "SELECT q.lease_token FROM unnest($1::bigint[], $2::uuid[], $3::uuid[]) r (tenant_id, instance_id, token)
         JOIN queue q USING (tenant_id, instance_id) WHERE q.lease_token = r.token AND q.state = 'reported'",
    )
    .bind(tenants)
    .bind(instances)
    .bind(tokens)
    .fetch_all(connection)
    .await?;
    Ok(repeated.into_iter().collect())
}

/// Counts refused results where the try's history is, or will be.
async fn note_late(connection: &mut PgConnection, reports: &[&TryReport]) -> Result<()> {
    if reports.is_empty() {
        return Ok(());
    }
    let (tenants, instances, tokens) = names(reports);
    // Two statements of one transaction in this order: a settlement that is under way holds the queue row, and only a statement that begins after it sees
    // the history that it has written.
    for statement in [
        "UPDATE queue AS q SET late_results = q.late_results + 1
         FROM unnest($1::bigint[], $2::uuid[], $3::uuid[]) l (tenant_id, instance_id, token)
         WHERE q.tenant_id = l.tenant_id AND q.instance_id = l.instance_id AND q.fenced_token = l.token",
        "UPDATE task_tries AS t SET late_results = t.late_results + 1
         FROM unnest($1::bigint[], $2::uuid[], $3::uuid[]) l (tenant_id, instance_id, token)
         WHERE t.tenant_id = l.tenant_id AND t.instance_id = l.instance_id AND t.lease_token = l.token",
    ] {
        sqlx::query(statement).bind(&tenants).bind(&instances).bind(&tokens).execute(&mut *connection).await?;
    }
    Ok(())
}
