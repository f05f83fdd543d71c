use airlock_core::access::{Action, Resource};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::extract::{Order, PageQuery, Path, Principal, Query};
use crate::lookup;
use crate::models::DeadlineAlertCollection;
use crate::problem::{Answer, Refusals};
use crate::state::ApiState;

const ORDER: &Order = &[("id", "id"), ("created_at", "created_at"), ("name", "name")];

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct VersionQuery {
    /// By default the newest.
    version_number: Option<u32>,
}

/// The deadlines that a DAG sets its runs.
#[utoipa::path(get, path = "/dags/{dag_id}/deadlineAlerts", tag = "Deadlines", operation_id = "get_dag_deadline_alerts",
    params(("dag_id" = String, Path), VersionQuery, PageQuery),
    responses((status = 200, body = DeadlineAlertCollection), Refusals))]
pub async fn get_dag_deadline_alerts(
    State(state): State<ApiState>,
    principal: Principal,
    Path(dag_id): Path<String>,
    Query(query): Query<VersionQuery>,
    Query(page): Query<PageQuery>,
) -> Answer<Json<DeadlineAlertCollection>> {
    principal.may(Action::Read, Resource::Dag)?;
    let page = page.page(ORDER)?;
    let dag = lookup::dag(&*state.store, principal.tenant, &dag_id).await?;
    let version = match query.version_number {
        Some(number) => lookup::version(&*state.store, principal.tenant, &dag_id, number).await?.version,
        None => dag.version,
    };
    let found = state.store.list_deadline_alerts(principal.tenant, &dag_id, version, &page).await?;
    let deadline_alerts = found.items.into_iter().map(Into::into).collect();
    Ok(Json(DeadlineAlertCollection { deadline_alerts, total_entries: found.total }))
}
