use airlock_core::access::{Action, Resource};
use airlock_store::StoreError;
use airlock_store::backfills::NewBackfill;
use axum::Json;
use axum::extract::State;

use super::{dag_of, planned, refused, request, response};
use crate::extract::{Principal, ValidJson};
use crate::models::{BackfillBody, BackfillResponse};
use crate::problem::{Answer, Problem, ProblemBody, Refusals};
use crate::state::ApiState;

/// Makes a backfill: the runs of a DAG's schedule in a span of the past, made or made anew, a few at a time.
#[utoipa::path(post, path = "/backfills", tag = "Backfill", operation_id = "create_backfill", request_body = BackfillBody,
    responses((status = 200, body = BackfillResponse),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"), Refusals))]
pub async fn create_backfill(
    State(state): State<ApiState>,
    principal: Principal,
    ValidJson(body): ValidJson<BackfillBody>,
) -> Answer<Json<BackfillResponse>> {
    principal.may(Action::Create, Resource::DagRun)?;
    let (store, now) = (&*state.store, state.now());
    if body.max_active_runs == 0 {
        return Err(Problem::invalid("/max_active_runs", "found 0; a backfill has at least 1 active run"));
    }
    let row = dag_of(store, principal.tenant, &body.dag_id).await?;
    let request = request(&body);
    let slots = planned(&row.dag, &request, now).await?.map_err(refused)?;
    let new = NewBackfill {
        tenant: principal.tenant,
        dag_id: &body.dag_id,
        from: request.from,
        to: request.to,
        conf: request.conf.as_ref(),
        reprocess: request.reprocess,
        max_active_runs: body.max_active_runs,
        on_latest_version: body.run_on_latest_version.or(row.dag.rerun_with_latest_version).unwrap_or(true),
        triggering_user: Some(&principal.username),
        slots: &slots,
        now,
    };
    let backfill = store.create_backfill(&new).await.map_err(|error| match error {
        StoreError::Conflict(_) => {
            Problem::conflict(format!("There is already a running backfill for dag {}", body.dag_id))
        }
        other => other.into(),
    })?;
    state.wake.runs().raise();
    response(store, backfill).await.map(Json)
}
