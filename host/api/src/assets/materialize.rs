use airlock_core::access::{Action, Resource};
use airlock_core::asset::AssetRole;
use airlock_core::state::{RunType, TriggeredBy};
use axum::Json;
use axum::extract::State;

use super::find;
use crate::dag_runs::response;
use crate::dag_runs::trigger::new_run;
use crate::extract::{Path, Principal, ValidJson};
use crate::lookup;
use crate::models::{DagRunResponse, MaterializeBody, TriggerBody};
use crate::problem::{Answer, Problem, ProblemBody, Refusals};
use crate::state::ApiState;

/// Produces an asset, by a run of the one DAG that does.
#[utoipa::path(post, path = "/assets/{asset_id}/materialize", tag = "Asset", operation_id = "materialize_asset",
    params(("asset_id" = i64, Path)), request_body = Option<MaterializeBody>,
    responses((status = 200, body = DagRunResponse),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"), Refusals))]
pub async fn materialize_asset(
    State(state): State<ApiState>,
    principal: Principal,
    Path(asset_id): Path<i64>,
    body: Option<ValidJson<Option<MaterializeBody>>>,
) -> Answer<Json<DagRunResponse>> {
    principal.may(Action::Create, Resource::Asset)?;
    principal.may(Action::Create, Resource::DagRun)?;
    let store = &*state.store;
    let asset = find(store, principal.tenant, asset_id).await?;
    let producers = asset.references.iter().filter(|reference| reference.role == AssetRole::Outlet);
    let mut dag_ids: Vec<&str> = producers.map(|reference| reference.dag_id.as_str()).collect();
    dag_ids.dedup();
    let dag_id = match dag_ids[..] {
        [] => return Err(Problem::not_found(format!("No Dag materializes asset with ID: {asset_id}"))),
        [dag_id] => dag_id,
        _ => return Err(Problem::conflict(format!("More than one Dag materializes asset with ID: {asset_id}"))),
    };
    let body = body.and_then(|ValidJson(body)| body).unwrap_or_default();
    let row = lookup::dag(store, principal.tenant, dag_id).await?;
    let how = (RunType::AssetMaterialization, TriggeredBy::RestApi);
    let run = new_run(&principal, &row.dag, how, trigger(body), state.now())?;
    let created = store.create_run(&run).await?;
    state.wake.runs().raise();
    response(store, principal.tenant, created).await.map(Json)
}

fn trigger(body: MaterializeBody) -> TriggerBody {
    TriggerBody {
        dag_run_id: body.dag_run_id,
        data_interval_start: body.data_interval_start,
        data_interval_end: body.data_interval_end,
        logical_date: body.logical_date,
        run_after: body.run_after,
        conf: body.conf,
        note: body.note,
        partition_key: body.partition_key,
    }
}
