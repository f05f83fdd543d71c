//! `/pools`.

pub mod bulk;
pub mod create;
pub mod delete;
pub mod get;
pub mod list;
pub mod patch;

use airlock_core::fault::{Fault, Faults};
use airlock_core::id::TenantId;
use airlock_store::Store;
use airlock_store::settings::{PoolRow, PoolUse};

use crate::models::PoolBody;
use crate::problem::{Answer, Problem};

const LONGEST_NAME: usize = 256;

async fn find(store: &dyn Store, tenant: TenantId, name: &str) -> Answer<(PoolRow, PoolUse)> {
    let pool = store.pool(tenant, name).await?;
    pool.ok_or_else(|| Problem::not_found(format!("The Pool with name: `{name}` was not found")))
}

fn check_slots(slots: i32) -> Result<(), Fault> {
    if slots < -1 {
        return Err(Fault::new("/slots", format!("{slots} slots are fewer than none; -1 is for a pool without bound")));
    }
    Ok(())
}

pub fn refuse_team(team_name: Option<&String>) -> Result<(), Fault> {
    if team_name.is_some() {
        return Err(Fault::new("/team_name", "there are no teams here: a tenant's things belong to the tenant"));
    }
    Ok(())
}

fn row(body: PoolBody) -> Answer<PoolRow> {
    let mut faults = Vec::new();
    if body.name.is_empty() || body.name.chars().count() > LONGEST_NAME {
        faults.push(Fault::new("/name", format!("a pool's name has 1 to {LONGEST_NAME} characters")));
    }
    faults.extend(check_slots(body.slots).err());
    faults.extend(refuse_team(body.team_name.as_ref()).err());
    if !faults.is_empty() {
        return Err(Problem::faulty(Faults(faults)));
    }
    Ok(PoolRow {
        name: body.name,
        slots: body.slots,
        description: body.description,
        include_deferred: body.include_deferred,
    })
}
