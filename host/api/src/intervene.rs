//! What people declare about runs that a scheduler may be driving at this very moment.

use airlock_core::id::RunKey;
use airlock_core::run::{Instance, RunChange};
use airlock_core::state::RunState;
use airlock_store::driving::LoadedRun;

use crate::problem::{Answer, Problem};
use crate::state::ApiState;

/// How often a decision is made anew because the run had moved on meanwhile. Every time, somebody else got something done.
const ATTEMPTS: usize = 20;

/// A run as it stands, for a decision about it.
pub struct Standing {
    pub loaded: LoadedRun,
    pub state: RunState,
    pub instances: Vec<Instance>,
}

/// Loads a run.
///
/// # Errors
/// 404 if it is gone.
pub async fn standing(state: &ApiState, key: RunKey) -> Answer<Standing> {
    let loaded = state.store.load_run(key).await?.ok_or_else(|| Problem::not_found("the run is gone"))?;
    let instances = loaded.instances.iter().cloned().map(Instance::from).collect();
    Ok(Standing { state: loaded.run.state, loaded, instances })
}

/// Applies what `decide` makes of a run, as often as it takes for the run to be what was decided about.
///
/// # Errors
/// Those of `decide`; 404 if the run is gone; 409 if it will not hold still.
pub async fn intervene(
    state: &ApiState,
    key: RunKey,
    decide: impl Fn(&Standing) -> Answer<RunChange> + Send + Sync,
) -> Answer<RunChange> {
    for _ in 0..ATTEMPTS {
        let standing = standing(state, key).await?;
        let change = decide(&standing)?;
        if change.is_empty() || state.store.intervene(key, standing.loaded.run.epoch, &change).await? {
            state.wake.runs().raise();
            return Ok(change);
        }
    }
    Err(Problem::conflict("the run is changing faster than it can be changed from outside: try again"))
}
