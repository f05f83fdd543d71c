//! Pools.

use airlock_store::settings::{PoolRow, PoolUse};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Debug, Serialize, ToSchema)]
pub struct PoolResponse {
    name: String,
    /// -1: without bound.
    slots: i64,
    description: Option<String>,
    include_deferred: bool,
    occupied_slots: i64,
    running_slots: i64,
    queued_slots: i64,
    scheduled_slots: i64,
    /// -1: without bound.
    open_slots: i64,
    deferred_slots: i64,
    team_name: Option<String>,
}

impl From<(PoolRow, PoolUse)> for PoolResponse {
    fn from((pool, held): (PoolRow, PoolUse)) -> Self {
        let slots = i64::from(pool.slots);
        let count = |slots: u64| i64::try_from(slots).unwrap_or(i64::MAX);
        let deferred = if pool.include_deferred { held.deferred } else { 0 };
        let occupied = count(held.queued + held.running + deferred);
        Self {
            name: pool.name,
            slots,
            description: pool.description,
            include_deferred: pool.include_deferred,
            occupied_slots: occupied,
            running_slots: count(held.running),
            queued_slots: count(held.queued),
            scheduled_slots: count(held.scheduled),
            open_slots: if slots < 0 { -1 } else { slots - occupied },
            deferred_slots: count(held.deferred),
            team_name: None,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PoolCollectionResponse)]
pub struct PoolCollection {
    pub pools: Vec<PoolResponse>,
    pub total_entries: u64,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PoolBody {
    pub name: String,
    /// -1: without bound.
    pub slots: i32,
    #[serde(default)]
    pub description: Option<String>,
    #[serde(default)]
    pub include_deferred: bool,
    /// Airflow's teams; a tenant has none.
    #[serde(default)]
    pub team_name: Option<String>,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PoolPatchBody {
    #[serde(default)]
    pub pool: Option<String>,
    #[serde(default)]
    pub slots: Option<i32>,
    #[serde(default)]
    pub description: Option<String>,
    #[serde(default)]
    pub include_deferred: Option<bool>,
    #[serde(default)]
    pub team_name: Option<String>,
}
