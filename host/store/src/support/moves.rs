//! The order of moves within a batch.

use std::collections::HashMap;

use airlock_core::asset::NewAssetEvent;
use airlock_core::callback::NewCallback;
use airlock_core::id::{RunKey, TenantId};
use airlock_core::state::{RunState, TaskState};
use uuid::Uuid;

use crate::driving::{Move, NewTrigger, RunChange};

/// Splits the moves of a batch so that each instance is at most once in a round, and its moves come in their order. A round is
/// one statement; nearly always there is only one.
pub fn rounds<'a>(changes: impl IntoIterator<Item = (RunKey, &'a RunChange)>) -> Vec<Vec<(RunKey, &'a Move)>> {
    let mut rounds: Vec<Vec<(RunKey, &Move)>> = Vec::new();
    let mut seen: HashMap<Uuid, usize> = HashMap::new();
    for (run, change) in changes {
        for one in &change.moves {
            let round = seen.entry(one.instance).and_modify(|round| *round += 1).or_insert(0);
            match rounds.get_mut(*round) {
                Some(moves) => moves.push((run, one)),
                None => rounds.push(vec![(run, one)]),
            }
        }
    }
    rounds
}

/// What a batch comes to for triggers.
#[derive(Debug, Default)]
pub struct Waits<'a> {
    pub begun: Vec<(RunKey, &'a NewTrigger)>,
    /// Instances that may have waited, and do not any more.
    pub over: Vec<(TenantId, Uuid)>,
    /// Runs that have ended, or of which tasks have, for those who wait for them.
    pub ended: Vec<RunKey>,
}

/// Sorts a batch by what it means for triggers. Refused moves may be among `over` and `ended`, where they do no harm.
pub fn waits<'a>(changes: &[(RunKey, &'a RunChange)], refused: &[Uuid]) -> Waits<'a> {
    let mut waits = Waits::default();
    for (run, change) in changes {
        let begun = change.triggers.iter().filter(|new| !refused.contains(&new.instance));
        waits.begun.extend(begun.map(|new| (*run, new)));
        let left = |one: &&Move| one.from_states.contains(&Some(TaskState::Deferred));
        waits.over.extend(change.moves.iter().filter(left).map(|one| (run.tenant, one.instance)));
        let ends = |one: &Move| one.to.is_some_and(TaskState::is_finished);
        if change.run_state.is_some_and(RunState::is_finished) || change.moves.iter().any(ends) {
            waits.ended.push(*run);
        }
    }
    waits
}

/// The events of assets that a batch brings about: not those of moves that were refused.
pub fn brought_about<'a>(changes: &[(RunKey, &'a RunChange)], refused: &[Uuid]) -> Vec<(RunKey, &'a NewAssetEvent)> {
    let events = changes.iter().flat_map(|(run, change)| change.asset_events.iter().map(|event| (*run, event)));
    events.filter(|(_, event)| !refused.contains(&event.instance)).collect()
}

/// The callbacks that a batch makes due: not those of moves that were refused.
pub fn made_due<'a>(changes: &[(RunKey, &'a RunChange)], refused: &[Uuid]) -> Vec<(RunKey, &'a NewCallback)> {
    let due = changes.iter().flat_map(|(run, change)| change.callbacks.iter().map(|callback| (*run, callback)));
    let is_refused =
        |new: &NewCallback| new.subject.as_ref().is_some_and(|subject| refused.contains(&subject.instance));
    due.filter(|(_, callback)| !is_refused(callback)).collect()
}
