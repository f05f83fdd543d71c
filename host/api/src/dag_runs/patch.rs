use airlock_core::access::{Action, Resource};
use airlock_core::mark::{RunMark, mark_run};
use airlock_store::runs::RunRow;
use axum::Json;
use axum::extract::State;

use super::response;
use crate::extract::{Patch, Path, Principal, Query, UpdateMask};
use crate::intervene::intervene;
use crate::lookup;
use crate::models::{DagRunPatchBody, DagRunResponse, MutableRunState};
use crate::note::check_note;
use crate::problem::{Answer, Refusals};
use crate::state::ApiState;

/// Declares a run to have succeeded or failed, lets it go on, or notes something on it.
#[utoipa::path(patch, path = "/dags/{dag_id}/dagRuns/{dag_run_id}", tag = "DagRun", operation_id = "patch_dag_run",
    params(("dag_id" = String, Path), ("dag_run_id" = String, Path), UpdateMask), request_body = DagRunPatchBody,
    responses((status = 200, body = DagRunResponse), Refusals))]
pub async fn patch_dag_run(
    State(state): State<ApiState>,
    principal: Principal,
    Path((dag_id, run_id)): Path<(String, String)>,
    Query(mask): Query<UpdateMask>,
    patch: Patch<DagRunPatchBody>,
) -> Answer<Json<DagRunResponse>> {
    principal.may(Action::Update, Resource::DagRun)?;
    let run = lookup::run(&*state.store, principal.tenant, &dag_id, &run_id).await?;
    apply(&state, &principal, &run, &patch, &mask.update_mask).await?;
    let run = lookup::run(&*state.store, principal.tenant, &dag_id, &run_id).await?;
    response(&*state.store, principal.tenant, run).await.map(Json)
}

/// Changes a run as its patch says.
pub(super) async fn apply(
    state: &ApiState,
    principal: &Principal,
    run: &RunRow,
    patch: &Patch<DagRunPatchBody>,
    mask: &[String],
) -> Answer<()> {
    if patch.changes("note", mask) {
        let note = patch.body.note.as_deref();
        check_note(note)?;
        state.store.set_run_note(run.key, note, Some(&principal.username)).await?;
    }
    if patch.changes("state", mask)
        && let Some(wanted) = patch.body.state
    {
        let (mark, now) = (mark_of(wanted), state.now());
        let by = &principal.username;
        intervene(state, run.key, |run| Ok(mark_run(&run.loaded.dag, &run.instances, mark, by, now))).await?;
    }
    Ok(())
}

const fn mark_of(state: MutableRunState) -> RunMark {
    match state {
        MutableRunState::Queued => RunMark::Queued,
        MutableRunState::Success => RunMark::Success,
        MutableRunState::Failed => RunMark::Failed,
    }
}
