//! A tenant's operators and pools, as the check of a document sees them.

use std::sync::Arc;

use airlock_core::dag::{CatalogueEntry, Dag, OperatorVersion, ResolvedOperator, SnapshotCatalogue, parse};
use airlock_core::id::TenantId;
use airlock_store::operators::OperatorRow;
use airlock_store::{Page, Pattern, Store};

use crate::problem::{Answer, Problem};

/// No tenant has more pools than are worth naming in a document's faults.
const POOLS: u32 = 10_000;

pub async fn catalogue(store: &dyn Store, tenant: TenantId) -> Answer<SnapshotCatalogue> {
    let operators = store.list_operators(tenant).await?;
    let page = Page { limit: POOLS, ..Page::default() };
    let pools = store.list_pools(tenant, &Pattern::default(), &page).await?;
    Ok(SnapshotCatalogue::new(
        operators.into_iter().map(operator_version),
        pools.items.into_iter().map(|(pool, _)| pool.name),
    ))
}

/// Reads a document, off the threads that serve requests: one of megabytes takes its time.
///
/// # Errors
/// 422 with every fault.
pub async fn checked(document: String, catalogue: SnapshotCatalogue) -> Answer<(String, Dag)> {
    let parsed = tokio::task::spawn_blocking(move || parse(&document, &catalogue).map(|dag| (document, dag)));
    parsed.await.map_err(Problem::internal)?.map_err(Problem::faulty)
}

fn operator_version(row: OperatorRow) -> OperatorVersion {
    OperatorVersion {
        yanked: row.yanked,
        entry: CatalogueEntry {
            operator: ResolvedOperator {
                name: row.name,
                version: row.version,
                digest: row.digest,
                kind: row.kind,
                template_fields: row.template_fields,
            },
            arguments_schema: Arc::new(row.arguments_schema),
        },
    }
}
