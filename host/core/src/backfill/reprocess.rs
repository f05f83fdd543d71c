//! A run that is made anew.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::clear::{ClearSelection, Clearing, clear_instances};
use crate::run::{Instance, Plan, RunChange};
use crate::state::RunState;

/// Clears all of a run that has ended. With `to_version`, the number of the version that `plan` is of, the run goes on with that.
pub fn reprocess(
    plan: &Plan,
    run_state: RunState,
    instances: &[Instance],
    to_version: Option<u32>,
    new_id: impl FnMut() -> Uuid,
    now: DateTime<Utc>,
) -> RunChange {
    let selection = ClearSelection::default();
    let clearing = Clearing { selection: &selection, reset_run: true, to_version, by: "a backfill" };
    let change = clear_instances(plan, run_state, instances, &clearing, new_id, now);
    // A run that never had an instance has nothing to clear, and runs anew all the same.
    RunChange { run_state: Some(RunState::Queued), clears: true, dag_version: to_version, at: Some(now), ..change }
}
