use airlock_core::access::{Action, Resource};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::extract::{Order, PageQuery, Principal, Query, Unsupported, pattern};
use crate::models::{VariableCollection, VariableResponse};
use crate::problem::{Answer, Refusals};
use crate::secret::Secrets;
use crate::state::ApiState;

/// Airflow orders by the sealed values too, which says nothing of the values.
const ORDER: &Order = &[
    ("id", "key"),
    ("key", "key"),
    ("_val", "key"),
    ("description", "description"),
    ("is_encrypted", ""),
    ("team_name", ""),
];

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct Filter {
    variable_key_pattern: Option<String>,
    variable_key_prefix_pattern: Option<String>,
}

/// Variables.
#[utoipa::path(get, path = "/variables", tag = "Variable", operation_id = "get_variables", params(PageQuery, Filter),
    responses((status = 200, body = VariableCollection), Refusals))]
pub async fn get_variables(
    State(state): State<ApiState>,
    principal: Principal,
    _: Unsupported,
    Query(page): Query<PageQuery>,
    Query(filter): Query<Filter>,
) -> Answer<Json<VariableCollection>> {
    principal.may(Action::Read, Resource::Variable)?;
    let pattern = pattern(&filter.variable_key_pattern, &filter.variable_key_prefix_pattern);
    let rows = state.store.list_variables(principal.tenant, &pattern, &page.page(ORDER)?).await?;
    let secrets = Secrets::of(&state, &principal);
    let variables = rows.items.into_iter().map(|row| VariableResponse::new(secrets, row)).collect::<Answer<_>>()?;
    Ok(Json(VariableCollection { variables, total_entries: rows.total }))
}
