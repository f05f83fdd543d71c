//! `/assets`, and what DAGs and runs have to do with them.

pub mod aliases;
pub mod events;
pub mod get;
pub mod list;
pub mod materialize;
pub mod queued;

use airlock_core::id::TenantId;
use airlock_store::Store;
use airlock_store::assets::AssetRow;

use crate::problem::{Answer, Problem};

async fn find(store: &dyn Store, tenant: TenantId, id: i64) -> Answer<AssetRow> {
    let row = store.asset(tenant, id).await?;
    row.ok_or_else(|| Problem::not_found(format!("The Asset with ID: `{id}` was not found")))
}
