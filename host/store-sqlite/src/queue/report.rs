//! A worker says how tries ended.

use std::collections::HashSet;

use airlock_store::queue::TryReport;
use airlock_store::support::batch::{ReportJson, XComJson, to_json};
use sqlx::sqlite::SqliteConnection;
use uuid::Uuid;

use crate::error::Result;
use crate::row::batch;
use crate::{SqliteStore, begin};

pub async fn report(store: &SqliteStore, reports: &[TryReport]) -> Result<Vec<Uuid>> {
    if reports.is_empty() {
        return Ok(Vec::new());
    }
    let accepted = accept(store, reports).await?;
    let mut stale: Vec<&TryReport> = reports.iter().filter(|report| !accepted.contains(&report.lease_token)).collect();
    if !stale.is_empty() {
        // A transaction of its own: should it fail, everything is reported again, and what was accepted counts as repeated.
        let mut writer = store.writer().await;
        let mut transaction = begin(&mut writer).await?;
        let repeated = repeated(&mut transaction, &stale).await?;
        stale.retain(|report| !repeated.contains(&report.lease_token));
        note_late(&mut transaction, &stale).await?;
        transaction.commit().await?;
    }
    Ok(stale.into_iter().map(|report| report.lease_token).collect())
}

fn reports_json<'a>(reports: impl IntoIterator<Item = &'a TryReport>) -> Result<String> {
    Ok(to_json(reports.into_iter().map(ReportJson::new).collect::<serde_json::Result<Vec<_>>>()?)?)
}

/// Writes the results of tries whose token holds, and what these tries push; answers those tokens. What was accepted before and is
/// reported again is pushed again, which changes nothing.
async fn accept(store: &SqliteStore, reports: &[TryReport]) -> Result<HashSet<Uuid>> {
    let xcoms: Vec<XComJson<'_>> = reports.iter().flat_map(XComJson::of).collect();
    let mut writer = store.writer().await;
    writer.opens();
    let accepted: Vec<Uuid> = sqlx::query_scalar(concat!(
        "BEGIN IMMEDIATE;
         WITH ",
        batch!("?1"),
        ", report (tenant_id, instance_id, token, ended_at, result, rendered_fields, outlet_events) AS MATERIALIZED (
             SELECT row ->> 'tenant', unhex(row ->> 'instance'), unhex(row ->> 'token'), row ->> 'ended_at',
                 row ->> 'result', row ->> 'rendered_fields', row ->> 'outlet_events'
             FROM batch
         )
         UPDATE queue AS q
         SET state = 'reported', ended_at = r.ended_at, result = r.result, rendered_fields = r.rendered_fields,
             outlet_events = r.outlet_events, lease_until = NULL
         FROM report r
         WHERE q.tenant_id = r.tenant_id AND q.instance_id = r.instance_id AND q.lease_token = r.token
             AND q.state = 'running'
         RETURNING lease_token;
         WITH ",
        batch!("?2"),
        " INSERT INTO xcoms (tenant_id, run_key, task_id, map_index, key, value, pushed_at)
         SELECT row ->> 'tenant', row ->> 'run', row ->> 'task', row ->> 'map_index', row ->> 'key',
             row ->> 'value', row ->> 'pushed_at'
         FROM batch
         CROSS JOIN queue q ON q.tenant_id = row ->> 'tenant' AND q.instance_id = unhex(row ->> 'instance')
         WHERE q.state = 'reported' AND q.lease_token = unhex(row ->> 'token')
         ON CONFLICT DO UPDATE SET value = excluded.value, pushed_at = excluded.pushed_at;
         COMMIT"
    ))
    .bind(reports_json(reports)?)
    .bind(to_json(xcoms)?)
    .fetch_all(&mut *writer)
    .await?;
    writer.has_committed();
    Ok(accepted.into_iter().collect())
}

/// Of these tokens, those under which a result has been accepted before: their worker did not hear the answer.
async fn repeated(connection: &mut SqliteConnection, reports: &[&TryReport]) -> Result<HashSet<Uuid>> {
    let repeated: Vec<Uuid> = sqlx::query_scalar(
        "SELECT q.lease_token FROM json_each(?1) r CROSS JOIN queue q
         ON q.tenant_id = r.value ->> 'tenant' AND q.instance_id = unhex(r.value ->> 'instance')
         WHERE q.lease_token = unhex(r.value ->> 'token') AND q.state = 'reported'",
    )
    .bind(reports_json(reports.iter().copied())?)
    .fetch_all(connection)
    .await?;
    Ok(repeated.into_iter().collect())
}

/// Counts refused results where the try's history is, or will be.
async fn note_late(connection: &mut SqliteConnection, reports: &[&TryReport]) -> Result<()> {
    if reports.is_empty() {
        return Ok(());
    }
    let reports = reports_json(reports.iter().copied())?;
    sqlx::query(
        "UPDATE task_tries AS t SET late_results = t.late_results + 1 FROM json_each(?1) r
         WHERE t.tenant_id = r.value ->> 'tenant' AND t.instance_id = unhex(r.value ->> 'instance')
             AND t.lease_token = unhex(r.value ->> 'token')",
    )
    .bind(&reports)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "UPDATE queue AS q SET late_results = q.late_results + 1 FROM json_each(?1) r
         WHERE q.tenant_id = r.value ->> 'tenant' AND q.instance_id = unhex(r.value ->> 'instance')
             AND q.fenced_token = unhex(r.value ->> 'token')",
    )
    .bind(&reports)
    .execute(connection)
    .await?;
    Ok(())
}
