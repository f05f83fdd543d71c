//! What of a run keeps a task from being scheduled, in words.

use super::machine::RunMachine;
use super::past::{self, Past};
use super::plan::EdgeKind;
use super::rule::Decision;
use crate::state::{TaskState, TriggerRule};
use crate::why::Unmet;

/// What a rule asks for, as the end of "the trigger rule wants ...".
const fn wanted(rule: TriggerRule) -> &'static str {
    match rule {
        TriggerRule::AllSuccess => "all upstream tasks to have succeeded",
        TriggerRule::AllFailed => "all upstream tasks to have failed",
        TriggerRule::AllDone | TriggerRule::AllDoneSetupSuccess => "all upstream tasks to be done",
        TriggerRule::AllDoneMinOneSuccess => "all upstream tasks to be done, and one to have succeeded",
        TriggerRule::OneSuccess => "one upstream task to have succeeded",
        TriggerRule::OneFailed => "one upstream task to have failed",
        TriggerRule::OneDone => "one upstream task to have succeeded or failed",
        TriggerRule::NoneFailed => "all upstream tasks to have succeeded or been skipped",
        TriggerRule::NoneFailedMinOneSuccess => {
            "all upstream tasks to have succeeded or been skipped, and one to have succeeded"
        }
        TriggerRule::NoneSkipped => "all upstream tasks to be done, and none to have been skipped",
        TriggerRule::AllSkipped => "all upstream tasks to have been skipped",
        TriggerRule::Always => "nothing",
    }
}

impl RunMachine {
    /// What upstream still has to do before this instance is decided on.
    pub(crate) fn unmet_upstream(&self, task_id: &str, map_index: i32) -> Vec<Unmet> {
        let Some(task) = self.plan.number(task_id) else { return Vec::new() };
        if self.decide(task, &self.nodes[task].own_tally(map_index)) != Decision::Wait {
            return Vec::new();
        }
        let rule = self.plan.task(task).trigger_rule;
        let sentence = |kind: EdgeKind, name: &'static str, wanted: String| {
            let open = self.open_before(task, map_index, kind);
            (!open.is_empty()).then(|| Unmet { name, reason: format!("{wanted}; {}", open.join(", ")) })
        };
        let direct = format!("the trigger rule `{rule}` wants {}", wanted(rule));
        let setups = "the setups before it have to succeed".to_owned();
        let scope = "a teardown waits for everything between its setups and itself".to_owned();
        [
            sentence(EdgeKind::Direct, "Trigger Rule", direct),
            sentence(EdgeKind::Setup, "Trigger Rule", setups),
            sentence(EdgeKind::Scope, "Trigger Rule", scope),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// The tasks before an instance that have not finished: `` `load` is running``, the states of mapped ones counted.
    fn open_before(&self, task: usize, map_index: i32, kind: EdgeKind) -> Vec<String> {
        let mut open: Vec<(&str, String)> = Vec::new();
        for before in 0..self.nodes.len() {
            let edges = &self.plan.tasks[before].edges;
            let Some(edge) = edges.iter().find(|edge| edge.to == task && edge.kind == kind) else { continue };
            let concerns = |index: i32| edge.index_for(index).is_none_or(|index| index == map_index);
            let slots = self.nodes[before].slots.iter().filter(|(index, _)| concerns(**index));
            let states: Vec<Option<TaskState>> = slots.map(|(_, slot)| self.slots[*slot].state).collect();
            let unfinished: Vec<_> = states.iter().filter(|state| !state.is_some_and(TaskState::is_finished)).collect();
            let task_id = self.plan.task(before).task_id.as_str();
            match unfinished.as_slice() {
                [] => {}
                [state] if states.len() == 1 => open.push((task_id, words(**state))),
                several => {
                    open.push((task_id, format!("has {} of {} instances open", several.len(), states.len())));
                }
            }
        }
        let count = open.len();
        let mut sentences: Vec<String> =
            open.into_iter().take(5).map(|(task_id, state)| format!("`{task_id}` {state}")).collect();
        if count > sentences.len() {
            sentences.push(format!("and {} more are open", count - sentences.len()));
        }
        sentences
    }

    /// What the run before this one lacks, if it is asked.
    pub(crate) fn unmet_past(&self, task_id: &str, previous_run: &str, past: &Past) -> Option<String> {
        let task = self.plan.number(task_id)?;
        if self.facts.ignores_past || !past::looks_back(self.plan.task(task)) || past::is_met(&self.plan, task, past) {
            return None;
        }
        let relevant: Vec<&str> = past::relevant(&self.plan, task).collect();
        let states = past.previous.as_deref().unwrap_or_default().iter();
        let lacking = states
            .filter(|(id, state)| relevant.contains(&id.as_str()) && !state.is_some_and(TaskState::is_success_like))
            .map(|(id, state)| format!("`{id}` {}", words(*state)))
            .collect::<Vec<_>>()
            .join(", ");
        let wants = if self.plan.task(task).wait_for_downstream { "wait_for_downstream" } else { "depends_on_past" };
        Some(match lacking.as_str() {
            "" => format!("it has {wants}, and the run before, `{previous_run}`, has no instance of it"),
            lacking => format!("it has {wants}, and of the run before, `{previous_run}`, {lacking}"),
        })
    }
}

fn words(state: Option<TaskState>) -> String {
    match state {
        None => "has not been scheduled".to_owned(),
        Some(TaskState::Failed) => "has failed".to_owned(),
        Some(state) => format!("is {state}"),
    }
}
