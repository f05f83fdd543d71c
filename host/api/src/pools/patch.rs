use airlock_core::access::{Action, Resource};
use airlock_core::fault::Faults;
use airlock_store::settings::{DEFAULT_POOL, PoolRow};
use axum::Json;
use axum::extract::State;

use super::{check_slots, find, refuse_team};
use crate::extract::{Patch, Path, Principal, Query, UpdateMask};
use crate::models::{PoolPatchBody, PoolResponse};
use crate::problem::{Answer, Problem, Refusals};
use crate::state::ApiState;

/// Changes the members of a pool that the body names.
#[utoipa::path(patch, path = "/pools/{pool_name}", tag = "Pool", operation_id = "patch_pool",
    params(("pool_name" = String, Path), UpdateMask), request_body = PoolPatchBody,
    responses((status = 200, body = PoolResponse), Refusals))]
pub async fn patch_pool(
    State(state): State<ApiState>,
    principal: Principal,
    Path(name): Path<String>,
    Query(mask): Query<UpdateMask>,
    patch: Patch<PoolPatchBody>,
) -> Answer<Json<PoolResponse>> {
    principal.may(Action::Update, Resource::Pool)?;
    if patch.body.pool.as_ref().is_some_and(|pool| *pool != name) {
        return Err(Problem::bad_request("Invalid body, pool name from request body doesn't match uri parameter"));
    }
    let (pool, _) = find(&*state.store, principal.tenant, &name).await?;
    let changed = apply(pool, &patch, &mask.update_mask)?;
    state.store.put_pool(principal.tenant, &changed).await?;
    // More slots may let waiting tasks go.
    state.wake.runs().raise();
    find(&*state.store, principal.tenant, &name).await.map(|pool| Json(pool.into()))
}

/// # Errors
/// 422 for values that no pool can have; 400 for what cannot be changed of the default pool, as in Airflow.
pub fn apply(pool: PoolRow, patch: &Patch<PoolPatchBody>, mask: &[String]) -> Answer<PoolRow> {
    let body = &patch.body;
    refuse_team(body.team_name.as_ref()).map_err(|fault| Problem::faulty(Faults(vec![fault])))?;
    if pool.name == DEFAULT_POOL && patch.changes("description", mask) && body.description != pool.description {
        return Err(Problem::bad_request("Only slots and include_deferred can be modified on Default Pool"));
    }
    let mut changed = pool;
    if patch.changes("slots", mask) {
        let slots = body.slots.ok_or_else(|| Problem::invalid("/slots", "a number of slots, or -1, is needed"))?;
        check_slots(slots).map_err(|fault| Problem::faulty(Faults(vec![fault])))?;
        changed.slots = slots;
    }
    if patch.changes("description", mask) {
        changed.description.clone_from(&body.description);
    }
    if patch.changes("include_deferred", mask) {
        changed.include_deferred =
            body.include_deferred.ok_or_else(|| Problem::invalid("/include_deferred", "true or false is needed"))?;
    }
    Ok(changed)
}
