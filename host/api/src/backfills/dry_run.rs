use std::collections::HashMap;

use airlock_core::access::{Action, Resource};
use airlock_core::backfill::{Action as SlotAction, MOST_SLOTS, Refusal, decide};
use airlock_core::state::RunState;
use airlock_core::timetable::NextRun;
use airlock_store::Page;
use airlock_store::runs::{RunFilter, Span};
use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};

use super::{dag_of, planned, refused, request};
use crate::extract::{Principal, ValidJson};
use crate::models::{BackfillBody, DryRunBackfill, DryRunBackfillCollection};
use crate::problem::{Answer, Refusals};
use crate::state::ApiState;

/// Which runs a backfill would make, or make anew, as things stand.
#[utoipa::path(post, path = "/backfills/dry_run", tag = "Backfill", operation_id = "create_backfill_dry_run",
    request_body = BackfillBody, responses((status = 200, body = DryRunBackfillCollection), Refusals))]
pub async fn create_backfill_dry_run(
    State(state): State<ApiState>,
    principal: Principal,
    ValidJson(body): ValidJson<BackfillBody>,
) -> Answer<Json<DryRunBackfillCollection>> {
    principal.may(Action::Create, Resource::DagRun)?;
    let row = dag_of(&*state.store, principal.tenant, &body.dag_id).await?;
    let request = request(&body);
    let slots = match planned(&row.dag, &request, state.now()).await? {
        Ok(slots) => slots,
        // No runs at all are no fault of a request that only asks.
        Err(Refusal::NoRuns { .. }) => Vec::new(),
        Err(refusal) => return Err(refused(refusal)),
    };
    let existing = existing(&state, &principal, &body.dag_id, &slots).await?;
    let would_run = |slot: &NextRun| {
        let state = slot.logical_date.and_then(|date| existing.get(&date).copied());
        !matches!(decide(state, request.reprocess), SlotAction::Pass(_))
    };
    let backfills: Vec<DryRunBackfill> = slots
        .iter()
        .filter(|slot| would_run(slot))
        .map(|slot| DryRunBackfill { logical_date: slot.logical_date, partition_key: None, partition_date: None })
        .collect();
    Ok(Json(DryRunBackfillCollection { total_entries: backfills.len(), backfills }))
}

/// The states of the runs that these slots' times have already.
async fn existing(
    state: &ApiState,
    principal: &Principal,
    dag_id: &str,
    slots: &[NextRun],
) -> Answer<HashMap<DateTime<Utc>, RunState>> {
    let dates = || slots.iter().filter_map(|slot| slot.logical_date);
    let (Some(first), Some(last)) = (dates().min(), dates().max()) else { return Ok(HashMap::new()) };
    let filter = RunFilter {
        dag_id: Some(dag_id.to_owned()),
        logical_date: Span { gte: Some(first), lte: Some(last), ..Span::default() },
        ..RunFilter::default()
    };
    // Runs by hand may lie between the slots' times: twice as many leaves room for them.
    let page = Page { limit: u32::try_from(2 * MOST_SLOTS).unwrap_or(u32::MAX), ..Page::default() };
    let runs = state.store.list_runs(principal.tenant, &filter, &page).await?.items;
    Ok(runs.into_iter().filter_map(|run| Some((run.logical_date?, run.state))).collect())
}
