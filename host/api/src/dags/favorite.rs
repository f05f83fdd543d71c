use airlock_core::access::{Action, Resource};
use axum::extract::State;
use axum::http::StatusCode;

use crate::extract::{Path, Principal};
use crate::lookup;
use crate::problem::{Answer, Problem, ProblemBody, Refusals};
use crate::state::ApiState;

/// Picks a DAG out for oneself.
#[utoipa::path(post, path = "/dags/{dag_id}/favorite", tag = "DAG", operation_id = "favorite_dag",
    params(("dag_id" = String, Path)), responses((status = 204), Refusals))]
pub async fn favorite_dag(
    State(state): State<ApiState>,
    principal: Principal,
    Path(dag_id): Path<String>,
) -> Answer<StatusCode> {
    mark(&state, &principal, &dag_id, true).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes that back.
#[utoipa::path(post, path = "/dags/{dag_id}/unfavorite", tag = "DAG", operation_id = "unfavorite_dag",
    params(("dag_id" = String, Path)),
    responses((status = 204), (status = 409, body = ProblemBody, content_type = "application/problem+json"), Refusals))]
pub async fn unfavorite_dag(
    State(state): State<ApiState>,
    principal: Principal,
    Path(dag_id): Path<String>,
) -> Answer<StatusCode> {
    if !mark(&state, &principal, &dag_id, false).await? {
        return Err(Problem::conflict("Dag is not marked as favorite"));
    }
    Ok(StatusCode::NO_CONTENT)
}

/// What people pick out for themselves changes nothing for others: whoever may see a DAG may do so.
async fn mark(state: &ApiState, principal: &Principal, dag_id: &str, favorite: bool) -> Answer<bool> {
    principal.may(Action::Read, Resource::Dag)?;
    lookup::dag(&*state.store, principal.tenant, dag_id).await?;
    Ok(state.store.set_dag_favorite(principal.tenant, dag_id, &principal.username, favorite).await?)
}
