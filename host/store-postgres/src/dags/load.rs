//! How busy a DAG is.

use std::collections::BTreeSet;

use sqlx::postgres::PgConnection;

use crate::error::Result;

/// DAGs whose active runs have changed in a transaction, by tenant and id.
pub type ChangedDags = BTreeSet<(i64, String)>;

fn arrays(dags: &ChangedDags) -> (Vec<i64>, Vec<&str>) {
    dags.iter().map(|(tenant, dag_id)| (*tenant, dag_id.as_str())).unzip()
}

/// Locks these DAGs, first of all that a transaction locks. Every transaction that will [`refresh`] them begins with this, so
/// that what it counts then is what is.
pub async fn lock(connection: &mut PgConnection, dags: &ChangedDags) -> Result<()> {
    let (tenants, dag_ids) = arrays(dags);
    sqlx::query(
        "SELECT FROM dags d JOIN unnest($1::bigint[], $2::text[]) c (tenant_id, dag_id) USING (tenant_id, dag_id)
         ORDER BY tenant_id, dag_id FOR NO KEY UPDATE OF d",
    )
    .bind(tenants)
    .bind(dag_ids)
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes `unfinished_runs`, `running_runs` and `first_queued` of these DAGs, and of their active backfills, anew from
/// `active_runs`. Every transaction that adds, removes or changes the state of an active run ends with this. They are counted,
/// not added to, so that no error can stay: a DAG has few unfinished runs, and its first queued one is at the edge of an index.
/// The runs of a backfill count for it alone.
pub async fn refresh(connection: &mut PgConnection, dags: &ChangedDags) -> Result<()> {
    if dags.is_empty() {
        return Ok(());
    }
    let (tenants, dag_ids) = arrays(dags);
    sqlx::query(
        "WITH c AS MATERIALIZED (
             SELECT * FROM unnest($1::bigint[], $2::text[]) c (tenant_id, dag_id)
         ), backfilled AS (
             UPDATE backfills AS b
             SET unfinished_runs = a.unfinished, running_runs = a.running, first_queued = a.first_queued
             FROM c JOIN backfills o ON o.tenant_id = c.tenant_id AND o.dag_id = c.dag_id AND o.completed_at IS NULL
             CROSS JOIN LATERAL (
                 SELECT count(*) AS unfinished, count(*) FILTER (WHERE a.state = 'running') AS running,
                     min(a.backfill_ordinal) FILTER (WHERE a.state = 'queued') AS first_queued
                 FROM active_runs a WHERE a.tenant_id = o.tenant_id AND a.backfill_id = o.backfill_id
             ) a
             WHERE b.backfill_id = o.backfill_id
         )
         UPDATE dags AS d
         SET unfinished_runs = a.unfinished, running_runs = a.running, first_queued = a.first_queued
         FROM c
         CROSS JOIN LATERAL (
             SELECT count(*) AS unfinished, count(*) FILTER (WHERE a.state = 'running') AS running,
                 min(a.run_after) FILTER (WHERE a.state = 'queued') AS first_queued
             FROM active_runs a WHERE a.tenant_id = c.tenant_id AND a.dag_id = c.dag_id AND a.backfill_id IS NULL
         ) a
         WHERE d.tenant_id = c.tenant_id AND d.dag_id = c.dag_id",
    )
    .bind(tenants)
    .bind(dag_ids)
    .execute(connection)
    .await?;
    Ok(())
}
