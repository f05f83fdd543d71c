//! The transitions of a task instance, in one table.

use crate::state::TaskState;

use TaskState::{Deferred, Failed, Queued, Removed, Restarting, Running, Scheduled, Skipped, Success};
use TaskState::{UpForReschedule, UpForRetry, UpstreamFailed};

/// One step that a task instance may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    pub from: Option<TaskState>,
    pub to: Option<TaskState>,
    /// What makes it happen, in a few words.
    pub when: &'static str,
}

const fn row(from: Option<TaskState>, to: Option<TaskState>, when: &'static str) -> Transition {
    Transition { from, to, when }
}

/// Every transition that scheduling makes. People may move an instance from any state to any that [`crate::mark`] offers, and
/// by [`crate::clear`] to none or from `running` to `restarting`; those moves are not here.
pub const TRANSITIONS: &[Transition] = &[
    row(None, Some(Scheduled), "trigger rule met"),
    row(None, Some(Skipped), "trigger rule, branch or short circuit"),
    row(None, Some(UpstreamFailed), "trigger rule"),
    row(None, Some(Removed), "gone from the DAG"),
    row(Some(Scheduled), Some(Queued), "admitted"),
    row(Some(Scheduled), Some(Skipped), "branch, short circuit or end of the run"),
    row(Some(Scheduled), Some(Removed), "gone from the DAG"),
    row(Some(Queued), Some(Running), "claimed by a worker"),
    row(Some(Running), Some(Queued), "handed back by a worker"),
    row(Some(Queued), Some(Skipped), "branch, short circuit or end of the run"),
    row(Some(Queued), Some(Removed), "gone from the DAG"),
    row(Some(Running), Some(Success), "done"),
    row(Some(Running), Some(Skipped), "skipped itself, or end of the run"),
    row(Some(Running), Some(Failed), "failed for good"),
    row(Some(Running), Some(UpForRetry), "failed, retries left"),
    row(Some(Running), Some(UpForReschedule), "not yet"),
    row(Some(Running), Some(Deferred), "deferred"),
    row(Some(Running), Some(Removed), "gone from the DAG"),
    row(Some(Restarting), Some(UpForRetry), "its try has ended"),
    row(Some(Restarting), None, "its try has ended, and it is mapped"),
    row(Some(Restarting), Some(Removed), "gone from the DAG"),
    row(Some(UpForRetry), Some(Scheduled), "delay over"),
    row(Some(UpForRetry), Some(Skipped), "trigger rule, branch, short circuit or end of the run"),
    row(Some(UpForRetry), Some(UpstreamFailed), "trigger rule"),
    row(Some(UpForRetry), Some(Removed), "gone from the DAG"),
    row(Some(UpForReschedule), Some(Scheduled), "time has come"),
    row(Some(UpForReschedule), Some(Skipped), "trigger rule, branch, short circuit or end of the run"),
    row(Some(UpForReschedule), Some(UpstreamFailed), "trigger rule"),
    row(Some(UpForReschedule), Some(Removed), "gone from the DAG"),
    row(Some(Deferred), Some(Scheduled), "trigger fired, failed or timed out"),
    row(Some(Deferred), Some(Skipped), "branch, short circuit or end of the run"),
    row(Some(Deferred), Some(Removed), "gone from the DAG"),
    row(Some(UpstreamFailed), Some(Skipped), "branch or short circuit"),
];

/// Whether scheduling may take an instance from one state to the other.
pub fn is_allowed(from: Option<TaskState>, to: Option<TaskState>) -> bool {
    TRANSITIONS.iter().any(|transition| transition.from == from && transition.to == to)
}

/// The table as a Mermaid state diagram, for the documents.
pub fn diagram() -> String {
    let name = |state: Option<TaskState>| state.map_or("none", TaskState::as_str);
    let mut text = String::from("stateDiagram-v2\n    [*] --> none\n");
    for Transition { from, to, when } in TRANSITIONS {
        text.push_str(&format!("    {} --> {}: {when}\n", name(*from), name(*to)));
    }
    for state in TaskState::ALL.iter().filter(|state| state.is_finished()) {
        text.push_str(&format!("    {state} --> [*]\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Only requests from people lead here: clearing what runs, and asking people, which does not exist yet.
    const FROM_PEOPLE: &[TaskState] = &[Restarting, TaskState::AwaitingInput];

    #[test]
    fn every_state_can_be_reached_and_every_unfinished_one_can_be_left() {
        for state in TaskState::ALL.iter().copied().filter(|state| *state != TaskState::AwaitingInput) {
            let is_reached = TRANSITIONS.iter().any(|row| row.to == Some(state));
            assert!(is_reached != FROM_PEOPLE.contains(&state), "{state} is reached from the wrong side");
            let leaves = TRANSITIONS.iter().any(|row| row.from == Some(state) && row.to != Some(Removed));
            assert!(state.is_finished() || leaves, "{state} cannot be left");
        }
    }

    #[test]
    fn no_transition_is_named_twice_and_what_is_done_stays_done() {
        let distinct: BTreeSet<_> = TRANSITIONS.iter().map(|row| (row.from, row.to)).collect();
        assert_eq!(distinct.len(), TRANSITIONS.len());
        let reopened: Vec<_> = TRANSITIONS.iter().filter(|row| row.from.is_some_and(TaskState::is_finished)).collect();
        assert_eq!(reopened, [&row(Some(UpstreamFailed), Some(Skipped), "branch or short circuit")]);
    }

    #[test]
    fn the_diagram_shows_every_transition() {
        let diagram = diagram();
        assert_eq!(diagram.lines().filter(|line| line.contains(": ")).count(), TRANSITIONS.len());
        assert!(diagram.contains("    running --> up_for_retry: failed, retries left\n"));
    }
}
