use airlock_core::access::{Action, Resource};
use axum::Json;
use axum::extract::State;

use super::catalogue::{catalogue, checked};
use crate::extract::{Document, Principal};
use crate::models::ValidateDagResponse;
use crate::problem::{Answer, Refusals};
use crate::state::ApiState;

/// Checks a DAG's document and changes nothing: every fault at once (422), each with a JSON pointer.
#[utoipa::path(post, path = "/dags/validate", tag = "DAG", operation_id = "validate_dag",
    request_body(content = Object, content_type = "application/json"),
    responses((status = 200, body = ValidateDagResponse), Refusals))]
pub async fn validate_dag(
    State(state): State<ApiState>,
    principal: Principal,
    Document(document): Document,
) -> Answer<Json<ValidateDagResponse>> {
    // Nothing is made: what a viewer may read is what the check tells of.
    principal.may(Action::Read, Resource::Dag)?;
    let catalogue = catalogue(&*state.store, principal.tenant).await?;
    let (_, dag) = checked(document, catalogue).await?;
    Ok(Json(ValidateDagResponse::new(&dag)))
}
