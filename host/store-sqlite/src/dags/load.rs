//! How busy a DAG is.

use std::collections::BTreeSet;

use serde_json::Value;
use sqlx::sqlite::SqliteConnection;

use crate::error::Result;

/// DAGs whose active runs have changed in a transaction, by tenant and id.
pub type ChangedDags = BTreeSet<(i64, String)>;

/// Writes `unfinished_runs`, `running_runs` and `first_queued` of these DAGs, and of their active backfills, anew from `active_runs`. Every transaction that adds, removes or
/// changes the state of an active run ends with this. They are counted, not added to, so that no error can stay: a DAG has
/// few unfinished runs, and its first queued one is at the edge of an index. The runs of a backfill count for it alone.
pub async fn refresh(connection: &mut SqliteConnection, dags: &ChangedDags) -> Result<()> {
    if dags.is_empty() {
        return Ok(());
    }
    let names: Value =
        dags.iter().map(|(tenant, dag_id)| Value::from(vec![Value::from(*tenant), dag_id.as_str().into()])).collect();
    sqlx::query(
        "WITH changed (tenant_id, dag_id) AS MATERIALIZED (SELECT value ->> 0, value ->> 1 FROM json_each(?1))
         UPDATE dags AS d
         SET unfinished_runs = (SELECT count(*) FROM active_runs a
                                WHERE a.tenant_id = d.tenant_id AND a.dag_id = d.dag_id AND a.backfill_id IS NULL),
             running_runs = (SELECT count(*) FROM active_runs a
                             WHERE a.tenant_id = d.tenant_id AND a.dag_id = d.dag_id AND a.state = 'running'
                                 AND a.backfill_id IS NULL),
             first_queued = (SELECT min(a.run_after) FROM active_runs a
                             WHERE a.tenant_id = d.tenant_id AND a.dag_id = d.dag_id AND a.state = 'queued'
                                 AND a.backfill_id IS NULL)
         FROM changed c WHERE d.tenant_id = c.tenant_id AND d.dag_id = c.dag_id;
         WITH changed (tenant_id, dag_id) AS MATERIALIZED (SELECT value ->> 0, value ->> 1 FROM json_each(?1))
         UPDATE backfills AS b
         SET unfinished_runs = (SELECT count(*) FROM active_runs a
                                WHERE a.tenant_id = b.tenant_id AND a.backfill_id = b.backfill_id),
             running_runs = (SELECT count(*) FROM active_runs a
                             WHERE a.tenant_id = b.tenant_id AND a.backfill_id = b.backfill_id AND a.state = 'running'),
             first_queued = (SELECT min(a.backfill_ordinal) FROM active_runs a
                             WHERE a.tenant_id = b.tenant_id AND a.backfill_id = b.backfill_id AND a.state = 'queued')
         FROM changed c WHERE b.tenant_id = c.tenant_id AND b.dag_id = c.dag_id AND b.completed_at IS NULL",
    )
    .bind(names.to_string())
    .execute(connection)
    .await?;
    Ok(())
}
