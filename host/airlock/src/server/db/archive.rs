//! `airlock db export-archived` and `airlock db drop-archived`.

use std::fs::File;
use std::io::{BufWriter, Write};

use airlock_core::id::TenantId;
use airlock_core::retention::CleanTable;
use airlock_store::Store;
use anyhow::{Context, Result};
use serde_json::json;

use super::clean::tenants;
use crate::cli::{DropArchived, ExportArchived};
use crate::commands::{Session, ask};
use crate::output::{self, Column};

/// Rows that are read, or removed in one transaction, at once.
const BATCH: u32 = 1_000;

const EXPORTED: &[Column] = &[("TENANT", "/tenant"), ("TABLE", "/table"), ("ROWS", "/rows"), ("FILE", "/file")];
const DROPPED: &[Column] = &[("TENANT", "/tenant"), ("TABLE", "/table"), ("ROWS", "/rows")];

pub async fn export(store: &dyn Store, command: &ExportArchived, session: &Session) -> Result<()> {
    if command.drop_archives {
        ask::unless(command.yes, "Remove from the archive what has been written?")?;
    }
    let folder = &command.output_path;
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let wanted = command.which.tables();
    let mut files = Vec::new();
    for tenant in tenants(store, &command.which).await? {
        let held = store.count_archived(tenant.id).await?;
        for (table, _) in held.into_iter().filter(|(table, _)| wanted.contains(table)) {
            let path = folder.join(format!("{}.{table}.jsonl", tenant.name));
            let written = File::create_new(&path).map(BufWriter::new);
            let mut file = written.with_context(|| format!("cannot make {}", path.display()))?;
            let (rows, last) = write(store, tenant.id, table, &mut file)
                .await
                .with_context(|| format!("cannot write {}", path.display()))?;
            if command.drop_archives {
                drop_up_to(store, tenant.id, table, last).await?;
            }
            files.push(json!({ "tenant": tenant.name, "table": table, "rows": rows, "file": path }));
        }
    }
    output::rows(session.output, EXPORTED, &files)
}

/// Writes all that the archive holds of a table; answers how many records, and the id of the last. They are on the disk then.
async fn write(
    store: &dyn Store,
    tenant: TenantId,
    table: CleanTable,
    file: &mut BufWriter<File>,
) -> Result<(u64, i64)> {
    let (mut count, mut last) = (0, 0);
    loop {
        let rows = store.list_archived(tenant, &[table], last, BATCH).await?;
        let Some(newest) = rows.last() else { break };
        last = newest.id;
        for row in rows {
            let line = json!({ "archived_at": row.archived_at, "table": row.source, "row": row.content });
            serde_json::to_writer(&mut *file, &line)?;
            file.write_all(b"\n")?;
            count += 1;
        }
    }
    file.flush()?;
    file.get_ref().sync_all()?;
    Ok((count, last))
}

pub async fn drop(store: &dyn Store, command: &DropArchived, session: &Session) -> Result<()> {
    ask::unless(command.yes, "Remove what was archived, for good?")?;
    let wanted = command.which.tables();
    let mut rows = Vec::new();
    for tenant in tenants(store, &command.which).await? {
        let held = store.count_archived(tenant.id).await?;
        for (table, _) in held.into_iter().filter(|(table, _)| wanted.contains(table)) {
            let count = drop_up_to(store, tenant.id, table, i64::MAX).await?;
            rows.push(json!({ "tenant": tenant.name, "table": table, "rows": count }));
        }
    }
    output::rows(session.output, DROPPED, &rows)
}

async fn drop_up_to(store: &dyn Store, tenant: TenantId, table: CleanTable, last: i64) -> Result<u64> {
    let mut count = 0;
    loop {
        match store.drop_archived(tenant, &[table], last, BATCH).await? {
            0 => return Ok(count),
            dropped => count += dropped,
        }
    }
}
