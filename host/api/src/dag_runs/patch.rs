use airlock_core::access::{Action, Resource};
use airlock_core::mark::{RunMark, mark_run};
use axum::Json;
use axum::extract::State;

use super::{LONGEST_NOTE, response};
use crate::extract::{Patch, Path, Principal, Query, UpdateMask};
use crate::intervene::intervene;
use crate::lookup;
use crate::models::{DagRunPatchBody, DagRunResponse, MutableRunState};
use crate::problem::{Answer, Problem, Refusals};
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
    if patch.changes("note", &mask.update_mask) {
        let note = patch.body.note.as_deref();
        if note.is_some_and(|note| note.chars().count() > LONGEST_NOTE) {
            return Err(Problem::invalid("/note", format!("a note has at most {LONGEST_NOTE} characters")));
        }
        state.store.set_run_note(run.key, note, Some(&principal.username)).await?;
    }
    if patch.changes("state", &mask.update_mask)
        && let Some(wanted) = patch.body.state
    {
        let (mark, now) = (mark_of(wanted), state.now());
        let by = &principal.username;
        intervene(&state, run.key, |run| mark_run(&run.loaded.dag, &run.instances, mark, by, now)).await?;
    }
    let run = lookup::run(&*state.store, principal.tenant, &dag_id, &run_id).await?;
    response(&*state.store, principal.tenant, run).await.map(Json)
}

const fn mark_of(state: MutableRunState) -> RunMark {
    match state {
        MutableRunState::Queued => RunMark::Queued,
        MutableRunState::Success => RunMark::Success,
        MutableRunState::Failed => RunMark::Failed,
    }
}
