use airlock_core::access::{Action, Resource};
use axum::Json;
use axum::extract::State;

use super::grouped;
use crate::extract::Principal;
use crate::models::OperatorCollection;
use crate::problem::{Answer, Refusals};
use crate::state::ApiState;

/// The tenant's operators with all their versions.
#[utoipa::path(get, path = "/operators", tag = "Operator", operation_id = "get_operators",
    responses((status = 200, body = OperatorCollection), Refusals))]
pub async fn get_operators(State(state): State<ApiState>, principal: Principal) -> Answer<Json<OperatorCollection>> {
    principal.may(Action::Read, Resource::Operator)?;
    let operators = grouped(state.store.list_operators(principal.tenant).await?);
    let total_entries = operators.len() as u64;
    Ok(Json(OperatorCollection { operators, total_entries }))
}
