//! `/providers`: what brings operators.

use airlock_core::access::{Action, Resource};
use axum::Json;
use axum::extract::State;

use crate::extract::{PageQuery, Principal, Query};
use crate::models::{ProviderCollection, ProviderResponse};
use crate::operators::grouped;
use crate::problem::{Answer, Refusals};
use crate::state::ApiState;

/// The tenant's operators, each with the version that its name stands for. `/operators` tells more of them.
#[utoipa::path(get, path = "/providers", tag = "Provider", operation_id = "get_providers", params(PageQuery),
    responses((status = 200, body = ProviderCollection), Refusals))]
pub async fn get_providers(
    State(state): State<ApiState>,
    principal: Principal,
    Query(page): Query<PageQuery>,
) -> Answer<Json<ProviderCollection>> {
    principal.may(Action::Read, Resource::Operator)?;
    let page = page.page(&[])?;
    let operators = grouped(state.store.list_operators(principal.tenant).await?);
    let providers: Vec<_> = operators
        .into_iter()
        .filter_map(|operator| {
            Some(ProviderResponse {
                version: operator.default_version?,
                package_name: operator.name,
                description: operator.summary,
                documentation_url: None,
            })
        })
        .collect();
    let total_entries = providers.len() as u64;
    let providers = providers.into_iter().skip(page.offset as usize).take(page.limit as usize).collect();
    Ok(Json(ProviderCollection { providers, total_entries }))
}
