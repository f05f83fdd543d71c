//! A second, slow opinion: the rules of a run written down once more, plainly, and worked out from scratch after every event.

use std::collections::{BTreeMap, BTreeSet};

use airlock_core::dag::{Dag, Task};
use airlock_core::state::{RunState, TaskState, TriggerRule};

type State = Option<TaskState>;

const DONE: [TaskState; 5] =
    [TaskState::Success, TaskState::Failed, TaskState::Skipped, TaskState::UpstreamFailed, TaskState::Removed];

/// How a call of a task ended, as far as the rules care.
#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    Success,
    Skip,
    Branch(Vec<String>),
    ShortCircuit { direct: bool },
    NotYet,
    Failure { retryable: bool },
}

pub struct Reference {
    dag: Dag,
    pub states: BTreeMap<String, State>,
    pub tries: BTreeMap<String, u32>,
    /// Waiting tasks whose time has come.
    pub due: BTreeSet<String>,
    pub outcome: Option<RunState>,
}

impl Reference {
    pub fn new(dag: &Dag) -> Self {
        let all = || dag.tasks.iter().map(|task| task.task_id.clone());
        let mut reference = Self {
            dag: dag.clone(),
            states: all().map(|id| (id, None)).collect(),
            tries: all().map(|id| (id, 0)).collect(),
            due: BTreeSet::new(),
            outcome: None,
        };
        reference.settle();
        reference
    }

    pub fn end(&mut self, id: &str, ending: &Ending) {
        self.set(
            id,
            match ending {
                Ending::Success | Ending::Branch(_) | Ending::ShortCircuit { .. } => TaskState::Success,
                Ending::Skip => TaskState::Skipped,
                Ending::NotYet => TaskState::UpForReschedule,
                Ending::Failure { retryable: true } if self.tries[id] <= self.task(id).retries => TaskState::UpForRetry,
                Ending::Failure { .. } => TaskState::Failed,
            },
        );
        match ending {
            Ending::Branch(follow) => {
                let mut kept: BTreeSet<String> = follow.iter().cloned().collect();
                kept.extend(follow.iter().flat_map(|followed| self.below(followed)));
                self.skip(self.children(id).into_iter().filter(|child| !kept.contains(child)).collect());
            }
            Ending::ShortCircuit { direct } => {
                let cut = if *direct { self.children(id) } else { self.below(id) };
                self.skip(cut.into_iter().filter(|cut| !self.task(cut).is_teardown).collect());
            }
            Ending::Failure { .. } if self.dag.fail_fast && self.states[id] == Some(TaskState::Failed) => {
                for other in self.ids() {
                    match self.states[&other] {
                        _ if self.task(&other).is_teardown => {}
                        Some(state) if DONE.contains(&state) => {}
                        Some(TaskState::Running) => self.set(&other, TaskState::Failed),
                        _ => self.set(&other, TaskState::Skipped),
                    }
                }
            }
            _ => {}
        }
        self.settle();
    }

    /// Works everything out until nothing changes.
    pub fn settle(&mut self) {
        if self.outcome.is_some() {
            return;
        }
        while let Some((id, state)) = self.ids().into_iter().find_map(|id| Some((id.clone(), self.verdict(&id)?))) {
            self.set(&id, state);
        }
        let open: Vec<State> = self.states.values().copied().filter(|state| !is_done(*state)).collect();
        if open.is_empty() {
            let failed_fast = self.dag.fail_fast && self.states.values().any(|state| *state == Some(TaskState::Failed));
            let failed = failed_fast || self.leaves().iter().any(|leaf| is_failed(self.states[leaf]));
            self.outcome = Some(if failed { RunState::Failed } else { RunState::Success });
        } else if open.iter().all(Option::is_none) {
            self.outcome = Some(RunState::Failed);
        }
    }

    fn set(&mut self, id: &str, state: TaskState) {
        self.states.insert(id.to_owned(), Some(state));
        self.due.remove(id);
    }

    fn skip(&mut self, ids: BTreeSet<String>) {
        use TaskState::{Failed, Removed, Running, Skipped, Success};
        for id in ids {
            if !matches!(self.states[&id], Some(Running | Success | Failed | Skipped | Removed)) {
                self.set(&id, Skipped);
            }
        }
    }

    /// What the rules make of a task now, if anything.
    fn verdict(&self, id: &str) -> Option<TaskState> {
        if self.states[id].is_some() && !self.due.contains(id) {
            return None;
        }
        let task = self.task(id);
        if task.upstream.is_empty() || task.trigger_rule == TriggerRule::Always {
            return Some(TaskState::Scheduled);
        }
        if !task.is_teardown {
            let setups: Vec<State> = self.setups_above(id).iter().map(|setup| self.states[setup]).collect();
            if setups.iter().any(|state| is_failed(*state)) {
                return Some(TaskState::UpstreamFailed);
            }
            if setups.contains(&Some(TaskState::Skipped)) {
                return Some(TaskState::Skipped);
            }
            let verdict = self.by_rule(task)?;
            let waits = setups.iter().any(|state| *state != Some(TaskState::Success));
            return (verdict != TaskState::Scheduled || !waits).then_some(verdict);
        }
        let verdict = self.by_rule(task)?;
        let between = self.between_setups_and(id);
        let waits = between.iter().any(|id| !is_done(self.states[id]));
        (verdict != TaskState::Scheduled || !waits).then_some(verdict)
    }

    fn by_rule(&self, task: &Task) -> Option<TaskState> {
        use TaskState::{Scheduled, Skipped, Success, UpstreamFailed};
        let above: Vec<State> = task.upstream.iter().map(|id| self.states[id]).collect();
        let all = |test: &dyn Fn(State) -> bool| above.iter().all(|state| test(*state));
        let any = |test: &dyn Fn(State) -> bool| above.iter().any(|state| test(*state));
        let (success, skipped) = (|state| state == Some(Success), |state| state == Some(Skipped));
        let really_failed = |state| state == Some(TaskState::Failed);
        let done = all(&is_done);
        let when = |condition: bool, state: TaskState| condition.then_some(state);
        match task.trigger_rule {
            TriggerRule::AllSuccess => when(any(&is_failed), UpstreamFailed)
                .or(when(any(&skipped), Skipped))
                .or(when(all(&success), Scheduled)),
            TriggerRule::AllFailed => {
                when(any(&|state| success(state) || skipped(state)), Skipped).or(when(all(&is_failed), Scheduled))
            }
            TriggerRule::AllDone => when(done, Scheduled),
            TriggerRule::AllDoneMinOneSuccess => {
                when(any(&skipped), Skipped).or(when(done && !any(&success), UpstreamFailed)).or(when(done, Scheduled))
            }
            TriggerRule::AllDoneSetupSuccess => {
                let setups = || task.upstream.iter().filter(|id| self.task(id).is_setup).map(|id| self.states[id]);
                let (any_setup, all_skipped) = (setups().next().is_some(), setups().all(skipped));
                when(done && any_setup && all_skipped, Skipped)
                    .or(when(done && any_setup && !setups().any(success), UpstreamFailed))
                    .or(when(done, Scheduled))
            }
            TriggerRule::OneSuccess => when(all(&skipped), Skipped)
                .or(when(done && !any(&success), UpstreamFailed))
                .or(when(any(&success), Scheduled)),
            TriggerRule::OneFailed => when(any(&is_failed), Scheduled).or(when(done, Skipped)),
            TriggerRule::OneDone => {
                when(any(&|state| success(state) || really_failed(state)), Scheduled).or(when(done, Skipped))
            }
            TriggerRule::NoneFailed => when(any(&is_failed), UpstreamFailed).or(when(done, Scheduled)),
            TriggerRule::NoneFailedMinOneSuccess => {
                when(any(&is_failed), UpstreamFailed).or(when(all(&skipped), Skipped)).or(when(done, Scheduled))
            }
            TriggerRule::NoneSkipped => when(any(&skipped), Skipped).or(when(done, Scheduled)),
            TriggerRule::AllSkipped => {
                when(any(&|state| success(state) || is_failed(state)), Skipped).or(when(all(&skipped), Scheduled))
            }
            TriggerRule::Always => Some(Scheduled),
        }
    }

    fn ids(&self) -> Vec<String> {
        self.dag.tasks.iter().map(|task| task.task_id.clone()).collect()
    }

    fn task(&self, id: &str) -> &Task {
        self.dag.tasks.iter().find(|task| task.task_id == id).unwrap()
    }

    fn children(&self, id: &str) -> BTreeSet<String> {
        let has_parent = |task: &&Task| task.upstream.iter().any(|upstream| upstream == id);
        self.dag.tasks.iter().filter(has_parent).map(|task| task.task_id.clone()).collect()
    }

    fn below(&self, id: &str) -> BTreeSet<String> {
        let children = self.children(id);
        children.iter().flat_map(|child| self.below(child)).chain(children.iter().cloned()).collect()
    }

    /// Setups further up than directly, which have no teardown, or one below this task.
    fn setups_above(&self, id: &str) -> BTreeSet<String> {
        let below = self.below(id);
        let is_needed = |task: &&Task| {
            let ends: Vec<String> =
                self.children(&task.task_id).into_iter().filter(|child| self.task(child).is_teardown).collect();
            let is_indirect = self.below(&task.task_id).contains(id) && !self.children(&task.task_id).contains(id);
            task.is_setup && is_indirect && (ends.is_empty() || ends.iter().any(|end| below.contains(end)))
        };
        self.dag.tasks.iter().filter(is_needed).map(|task| task.task_id.clone()).collect()
    }

    fn between_setups_and(&self, teardown: &str) -> BTreeSet<String> {
        let direct = &self.task(teardown).upstream;
        let setups = direct.iter().filter(|id| self.task(id).is_setup);
        let after = setups.flat_map(|setup| self.below(setup)).collect::<BTreeSet<String>>();
        after.into_iter().filter(|id| self.below(id).contains(teardown) && !direct.contains(id)).collect()
    }

    fn leaves(&self) -> Vec<String> {
        let counts = |id: &String| !self.task(id).is_teardown || self.task(id).on_failure_fail_dagrun;
        let is_leaf = |id: &String| counts(id) && !self.children(id).iter().any(counts);
        let leaves: Vec<String> = self.ids().into_iter().filter(is_leaf).collect();
        let bottom = |id: &String| self.children(id).is_empty();
        if leaves.is_empty() { self.ids().into_iter().filter(bottom).collect() } else { leaves }
    }
}

fn is_done(state: State) -> bool {
    state.is_some_and(|state| DONE.contains(&state))
}

fn is_failed(state: State) -> bool {
    matches!(state, Some(TaskState::Failed | TaskState::UpstreamFailed))
}
