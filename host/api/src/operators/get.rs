use airlock_core::access::{Action, Resource};
use axum::Json;
use axum::extract::State;

use super::grouped;
use crate::extract::{Path, Principal};
use crate::models::OperatorResponse;
use crate::problem::{Answer, Problem, Refusals};
use crate::state::ApiState;

/// One operator with all its versions.
#[utoipa::path(get, path = "/operators/{name}", tag = "Operator", operation_id = "get_operator",
    params(("name" = String, Path)),
    responses((status = 200, body = OperatorResponse), Refusals))]
pub async fn get_operator(
    State(state): State<ApiState>,
    principal: Principal,
    Path(name): Path<String>,
) -> Answer<Json<OperatorResponse>> {
    principal.may(Action::Read, Resource::Operator)?;
    let mut rows = state.store.list_operators(principal.tenant).await?;
    rows.retain(|row| row.name == name);
    let operator = grouped(rows).pop();
    operator.map(Json).ok_or_else(|| Problem::not_found(format!("there is no operator `{name}`")))
}
