//! A worker says how tries ended.

use std::collections::HashSet;

use airlock_store::queue::TryReport;
use airlock_store::support::batch::{ReportJson, XComJson, to_json};
use sqlx::sqlite::SqliteConnection;
use uuid::Uuid;

use crate::error::Result;
use crate::{SqliteStore, begin};

pub async fn report(store: &SqliteStore, reports: &[TryReport]) -> Result<Vec<Uuid>> {
    if reports.is_empty() {
        return Ok(Vec::new());
    }
    let mut writer = store.writer().await;
    let mut transaction = begin(&mut writer).await?;
    let accepted = accept(&mut transaction, reports).await?;
    let xcoms = reports.iter().filter(|report| accepted.contains(&report.lease_token));
    push_xcoms(&mut transaction, xcoms).await?;
    let mut stale: Vec<&TryReport> = reports.iter().filter(|report| !accepted.contains(&report.lease_token)).collect();
    if !stale.is_empty() {
        let repeated = repeated(&mut transaction, &stale).await?;
        stale.retain(|report| !repeated.contains(&report.lease_token));
        note_late(&mut transaction, &stale).await?;
    }
    transaction.commit().await?;
    Ok(stale.into_iter().map(|report| report.lease_token).collect())
}

fn reports_json<'a>(reports: impl IntoIterator<Item = &'a TryReport>) -> Result<String> {
    Ok(to_json(reports.into_iter().map(ReportJson::new).collect::<serde_json::Result<Vec<_>>>()?)?)
}

/// Writes the results of tries whose token holds; answers those tokens.
async fn accept(connection: &mut SqliteConnection, reports: &[TryReport]) -> Result<HashSet<Uuid>> {
    let accepted: Vec<Uuid> = sqlx::query_scalar(
        "WITH report (tenant_id, instance_id, token, ended_at, result, rendered_fields, outlet_events) AS MATERIALIZED (
             SELECT value ->> 'tenant', unhex(value ->> 'instance'), unhex(value ->> 'token'), value ->> 'ended_at',
                 value ->> 'result', value ->> 'rendered_fields', value ->> 'outlet_events'
             FROM json_each(?1)
         )
         UPDATE queue AS q
         SET state = 'reported', ended_at = r.ended_at, result = r.result, rendered_fields = r.rendered_fields,
             outlet_events = r.outlet_events, lease_until = NULL
         FROM report r
         WHERE q.tenant_id = r.tenant_id AND q.instance_id = r.instance_id AND q.lease_token = r.token
             AND q.state = 'running'
         RETURNING lease_token",
    )
    .bind(reports_json(reports)?)
    .fetch_all(connection)
    .await?;
    Ok(accepted.into_iter().collect())
}

async fn push_xcoms<'a>(connection: &mut SqliteConnection, reports: impl Iterator<Item = &'a TryReport>) -> Result<()> {
    let xcoms: Vec<XComJson<'_>> = reports.flat_map(XComJson::of).collect();
    if xcoms.is_empty() {
        return Ok(());
    }
    // `WHERE true`: without it the parser takes ON CONFLICT for the condition of a join.
    sqlx::query(
        "INSERT INTO xcoms (tenant_id, run_key, task_id, map_index, key, value, pushed_at)
         SELECT value ->> 'tenant', value ->> 'run', value ->> 'task', value ->> 'map_index', value ->> 'key',
             value ->> 'value', value ->> 'pushed_at'
         FROM json_each(?1) WHERE true
         ON CONFLICT DO UPDATE SET value = excluded.value, pushed_at = excluded.pushed_at",
    )
    .bind(to_json(xcoms)?)
    .execute(connection)
    .await?;
    Ok(())
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
