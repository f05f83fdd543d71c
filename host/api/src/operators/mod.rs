//! `/operators`: the catalogue of uploaded modules.

pub mod get;
pub mod list;
pub mod upload;
pub mod version;
pub mod yank;

use airlock_core::id::TenantId;
use airlock_store::Store;
use airlock_store::operators::OperatorRow;

use crate::models::OperatorResponse;
use crate::problem::{Answer, Problem};

async fn find(store: &dyn Store, tenant: TenantId, name: &str, version: &str) -> Answer<OperatorRow> {
    let row = store.operator(tenant, name, version).await?;
    row.ok_or_else(|| Problem::not_found(format!("there is no version `{version}` of an operator `{name}`")))
}

/// Operators with their versions, from rows that are sorted by name and the newest version first.
pub fn grouped(rows: Vec<OperatorRow>) -> Vec<OperatorResponse> {
    let mut operators: Vec<OperatorResponse> = Vec::new();
    for row in rows {
        // A bare name never stands for a pre-release; see `core::dag::SnapshotCatalogue`.
        let stands = !row.yanked && !row.version.contains('-');
        if operators.last().is_none_or(|operator| operator.name != row.name) {
            operators.push(OperatorResponse {
                name: row.name.clone(),
                default_version: None,
                summary: row.summary.clone(),
                versions: Vec::new(),
            });
        }
        if let Some(operator) = operators.last_mut() {
            if stands && operator.default_version.is_none() {
                operator.default_version = Some(row.version.clone());
            }
            operator.versions.push(row.into());
        }
    }
    operators
}
