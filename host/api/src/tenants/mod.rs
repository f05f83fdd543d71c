//! `/tenants`, for administrators of the platform, and `/whoami`.

pub mod create;
pub mod get;
pub mod list;
pub mod policy;
pub mod whoami;

use airlock_store::Store;
use airlock_store::tenants::Tenant;

use crate::problem::{Answer, Problem};

async fn find(store: &dyn Store, name: &str) -> Answer<Tenant> {
    store.tenant_by_name(name).await?.ok_or_else(|| Problem::not_found(format!("there is no tenant `{name}`")))
}
