use std::collections::HashMap;

use airlock_core::access::{Action, Resource};
use airlock_core::backfill::{Action as SlotAction, MOST_SLOTS, Refusal, decide};
use airlock_core::dag::Dag;
use airlock_core::state::RunState;
use airlock_core::timetable::{NextRun, Partition, partition};
use airlock_store::Page;
use airlock_store::runs::{RunFilter, Span};
use axum::Json;
use axum::extract::State;

use super::{dag_of, planned, refused, request};
use crate::extract::{Principal, ValidJson};
use crate::models::{BackfillBody, DryRunBackfill, DryRunBackfillCollection};
use crate::problem::{Answer, Problem, Refusals};
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
    let existing = existing(&state, &principal, &row.dag, slots).await?;
    let would_run = |slot: &Planned| !matches!(decide(slot.existing, request.reprocess), SlotAction::Pass(_));
    let backfills: Vec<DryRunBackfill> = existing.into_iter().filter(would_run).map(Into::into).collect();
    Ok(Json(DryRunBackfillCollection { total_entries: backfills.len(), backfills }))
}

/// A slot, and the state of the run that its time or its partition has already.
struct Planned {
    run: NextRun,
    partition: Option<Partition>,
    existing: Option<RunState>,
}

impl From<Planned> for DryRunBackfill {
    fn from(slot: Planned) -> Self {
        Self {
            logical_date: slot.run.logical_date,
            partition_date: slot.partition.as_ref().and_then(|partition| partition.date),
            partition_key: slot.partition.map(|partition| partition.key),
        }
    }
}

async fn existing(state: &ApiState, principal: &Principal, dag: &Dag, slots: Vec<NextRun>) -> Answer<Vec<Planned>> {
    let partitions: Result<Vec<_>, _> = slots.iter().map(|slot| partition(dag, slot.run_after)).collect();
    let slots = slots.into_iter().zip(partitions.map_err(Problem::internal)?);
    let mut planned: Vec<Planned> = slots.map(|(run, partition)| Planned { run, partition, existing: None }).collect();
    // Slots of partitions have no dates: a run of the same key may be of any time.
    let dates = || planned.iter().filter_map(|slot| slot.run.logical_date);
    let logical_date = Span { gte: dates().min(), lte: dates().max(), ..Span::default() };
    let filter = RunFilter { dag_id: Some(dag.dag_id.clone()), logical_date, ..RunFilter::default() };
    // Runs by hand may lie between the slots' times: twice as many leaves room for them. The newest of a partition counts.
    let order_by = vec![("id".to_owned(), false)];
    let page = Page { limit: u32::try_from(2 * MOST_SLOTS).unwrap_or(u32::MAX), offset: 0, order_by };
    let runs = state.store.list_runs(principal.tenant, &filter, &page).await?.items;
    let (mut by_date, mut by_key) = (HashMap::new(), HashMap::new());
    for run in runs {
        match (run.logical_date, run.partition) {
            (Some(date), _) => _ = by_date.insert(date, run.state),
            (None, Some(partition)) => _ = by_key.insert(partition.key, run.state),
            (None, None) => {}
        }
    }
    for slot in &mut planned {
        slot.existing = match &slot.partition {
            Some(partition) => by_key.get(&partition.key).copied(),
            None => slot.run.logical_date.and_then(|date| by_date.get(&date).copied()),
        };
    }
    Ok(planned)
}
