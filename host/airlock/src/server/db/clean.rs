//! `airlock db clean`.

use airlock_store::Store;
use airlock_store::retention::CleanFilter;
use airlock_store::tenants::Tenant;
use anyhow::{Result, bail};
use chrono::Utc;
use serde_json::{Value, json};

use crate::cli::{CleanDb, CleanWhich};
use crate::commands::{Session, ask};
use crate::failure::Failure;
use crate::output::{self, Column};
use crate::server::parts;
use crate::server::retention::Clean;

const COLUMNS: &[Column] = &[("TENANT", "/tenant"), ("TABLE", "/table"), ("ROWS", "/rows")];

pub async fn run(store: &dyn Store, command: &CleanDb, session: &Session) -> Result<()> {
    let now = Utc::now();
    let before = command.clean_before_timestamp;
    if before > now {
        return Err(Failure::usage(format!("{} is yet to come", before.to_rfc3339())).into());
    }
    let filter =
        CleanFilter { before, dag_ids: command.dag_ids.clone(), excluded_dag_ids: command.exclude_dag_ids.clone() };
    let tenants = tenants(store, &command.which).await?;
    if !command.dry_run {
        let fate = if command.skip_archive { "for good" } else { "to the archive" };
        let question = format!("Remove records from before {} {fate}?", before.to_rfc3339());
        ask::unless(command.yes, &question)?;
    }
    let blobs = parts::blobs(&session.config).await?;
    let mut rows = Vec::new();
    for tenant in &tenants {
        for table in command.which.tables() {
            let clean = Clean {
                tenant: tenant.id,
                table,
                filter: &filter,
                batch: command.batch_size,
                archive_at: (!command.skip_archive).then_some(now),
            };
            let count = if command.dry_run {
                store.count_removable(tenant.id, table, &filter).await?
            } else {
                let told = |step: &airlock_store::retention::Cleaned| {
                    if command.verbose && step.rows > 0 {
                        eprintln!("{} rows of `{table}` of the tenant {} are gone", step.rows, tenant.name);
                    }
                };
                clean.run(store, &blobs, told).await?
            };
            rows.push(json!({ "tenant": tenant.name, "table": table, "rows": count }));
        }
    }
    report(&rows, command.dry_run);
    output::rows(session.output, COLUMNS, &rows)
}

fn report(rows: &[Value], dry_run: bool) {
    let count: u64 = rows.iter().filter_map(|row| row["rows"].as_u64()).sum();
    match dry_run {
        true => eprintln!("{count} rows would go; nothing was done"),
        false => eprintln!("{count} rows are gone"),
    }
}

/// The tenants that a command is about.
pub async fn tenants(store: &dyn Store, which: &CleanWhich) -> Result<Vec<Tenant>> {
    match &which.tenant {
        None => Ok(store.list_tenants().await?),
        Some(name) => match store.tenant_by_name(name).await? {
            Some(tenant) => Ok(vec![tenant]),
            None => bail!("there is no tenant `{name}`"),
        },
    }
}
