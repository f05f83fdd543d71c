//! Runs as their drivers take them on.

use std::collections::HashMap;
use std::sync::Arc;

use airlock_core::id::RunKey;
use airlock_core::limits::TenantPolicy;
use airlock_store::driving::LoadedRun;
use sqlx::postgres::PgConnection;

use crate::PostgresStore;
use crate::dags::{VersionName, content};
use crate::error::{Failure, Result};
use crate::instances::{instance_columns, instance_row};
use crate::row::Columns;
use crate::runs::run_row;

/// These runs, in this order; those that are gone are left out.
pub async fn load_runs(
    store: &PostgresStore,
    connection: &mut PgConnection,
    keys: &[RunKey],
) -> Result<Vec<LoadedRun>> {
    let (tenants, run_keys): (Vec<i64>, Vec<i64>) = keys.iter().map(|key| (key.tenant.0, key.id)).unzip();
    let rows = sqlx::query(
        "SELECT r.*, v.version_id, t.policy,
             EXISTS (SELECT FROM task_instances i WHERE i.tenant_id = r.tenant_id AND i.run_key = r.run_key) AS has_instances
         FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY n (tenant_id, run_key, place)
         JOIN dag_runs r ON r.tenant_id = n.tenant_id AND r.run_key = n.run_key
         JOIN dag_versions v ON v.tenant_id = r.tenant_id AND v.dag_id = r.dag_id AND v.version = r.dag_version
         JOIN tenants t ON t.tenant_id = r.tenant_id
         ORDER BY n.place",
    )
    .bind(&tenants)
    .bind(&run_keys)
    .fetch_all(&mut *connection)
    .await?;
    let mut policies: HashMap<i64, Arc<TenantPolicy>> = HashMap::new();
    let mut loaded = Vec::with_capacity(rows.len());
    let mut have_instances = false;
    for row in &rows {
        let run = run_row(row)?;
        have_instances |= row.get::<bool>("has_instances")?;
        let name = VersionName {
            id: row.get("version_id")?,
            tenant: run.key.tenant,
            dag_id: &run.dag_id,
            version: run.dag_version,
        };
        let dag = content(store, connection, name).await?;
        let policy = match policies.get(&run.key.tenant.0) {
            Some(policy) => Arc::clone(policy),
            None => {
                let policy: Arc<TenantPolicy> = Arc::new(row.json("policy")?);
                policies.insert(run.key.tenant.0, Arc::clone(&policy));
                policy
            }
        };
        loaded.push(LoadedRun { run, dag, instances: Vec::new(), policy });
    }
    // Runs that begin have none yet.
    if have_instances {
        load_instances(connection, &tenants, &run_keys, &mut loaded).await?;
    }
    Ok(loaded)
}

async fn load_instances(
    connection: &mut PgConnection,
    tenants: &[i64],
    run_keys: &[i64],
    loaded: &mut [LoadedRun],
) -> Result<()> {
    let rows = sqlx::query(concat!(
        "SELECT ",
        instance_columns!(),
        " FROM unnest($1::bigint[], $2::bigint[]) n (tenant_id, run_key)
          JOIN dag_runs r ON r.tenant_id = n.tenant_id AND r.run_key = n.run_key
          JOIN task_instances i ON i.tenant_id = r.tenant_id AND i.run_key = r.run_key
          ORDER BY i.run_key, i.ordinal"
    ))
    .bind(tenants)
    .bind(run_keys)
    .fetch_all(connection)
    .await?;
    let places: HashMap<RunKey, usize> =
        loaded.iter().enumerate().map(|(place, loaded)| (loaded.run.key, place)).collect();
    for row in &rows {
        let instance = instance_row(row)?;
        let place = places.get(&instance.run).and_then(|place| loaded.get_mut(*place));
        place.ok_or_else(|| Failure::damaged("an instance of another run"))?.instances.push(instance);
    }
    Ok(())
}
