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
    /// With the number of elements that it returned, if it returned any.
    Success(Option<u32>),
    Skip,
    Branch(Vec<String>),
    ShortCircuit {
        direct: bool,
    },
    NotYet,
    Failure {
        retryable: bool,
    },
}

/// An instance: `task`, or `task[0]` of a mapped one.
pub fn name(task_id: &str, map_index: i32) -> String {
    if map_index < 0 { task_id.to_owned() } else { format!("{task_id}[{map_index}]") }
}

fn task_of(instance: &str) -> &str {
    instance.split('[').next().unwrap()
}

/// `[0]`; nothing of what is not mapped, or stands for all instances.
fn index_of(instance: &str) -> &str {
    &instance[task_of(instance).len()..]
}

pub struct Reference {
    dag: Dag,
    /// By instance, like everything here.
    pub states: BTreeMap<String, State>,
    pub tries: BTreeMap<String, u32>,
    lengths: BTreeMap<String, u32>,
    /// Instances that were decided against, some of which are still to come.
    left_out: BTreeSet<String>,
    /// Waiting tasks whose time has come.
    pub due: BTreeSet<String>,
    pub outcome: Option<RunState>,
}

impl Reference {
    pub fn new(dag: &Dag) -> Self {
        let mut states = BTreeMap::new();
        for task in &dag.tasks {
            match dag.mapping_of(&task.task_id).and_then(|mapping| mapping.written_count()).unwrap_or(0) {
                0 => _ = states.insert(task.task_id.clone(), None),
                count => states.extend((0..count as i32).map(|index| (name(&task.task_id, index), None))),
            }
        }
        let mut reference = Self {
            dag: dag.clone(),
            states,
            tries: BTreeMap::new(),
            lengths: BTreeMap::new(),
            left_out: BTreeSet::new(),
            due: BTreeSet::new(),
            outcome: None,
        };
        reference.settle();
        reference
    }

    pub fn end(&mut self, instance: &str, ending: &Ending) {
        let id = task_of(instance);
        self.lengths.remove(instance);
        self.set(
            instance,
            match ending {
                Ending::Success(_) | Ending::Branch(_) | Ending::ShortCircuit { .. } => TaskState::Success,
                Ending::Skip => TaskState::Skipped,
                Ending::NotYet => TaskState::UpForReschedule,
                Ending::Failure { retryable: true } if self.tries[instance] <= self.task(id).retries => {
                    TaskState::UpForRetry
                }
                Ending::Failure { .. } => TaskState::Failed,
            },
        );
        match ending {
            Ending::Success(Some(length)) => _ = self.lengths.insert(instance.to_owned(), *length),
            Ending::Branch(follow) => {
                let mut kept: BTreeSet<String> = follow.iter().cloned().collect();
                kept.extend(follow.iter().flat_map(|followed| self.below(followed)));
                self.skip(instance, self.children(id).into_iter().filter(|child| !kept.contains(child)).collect());
            }
            Ending::ShortCircuit { direct } => {
                let cut = if *direct { self.children(id) } else { self.below(id) };
                let near =
                    |cut: &String| id == instance || self.children(id).contains(cut) || self.share_group(id, cut);
                self.skip(instance, cut.into_iter().filter(|cut| !self.task(cut).is_teardown && near(cut)).collect());
            }
            Ending::Failure { .. } if self.dag.fail_fast && self.states[instance] == Some(TaskState::Failed) => {
                for other in self.all() {
                    match self.states[&other] {
                        _ if self.task(task_of(&other)).is_teardown => {}
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
        while let Some((id, state)) = self.all().into_iter().find_map(|id| Some((id.clone(), self.verdict(&id)?))) {
            match self.count(&id) {
                Some(count) if state == TaskState::Scheduled => self.unfold(&id, count),
                _ => self.set(&id, state),
            }
        }
        let open: Vec<State> = self.states.values().copied().filter(|state| !is_done(*state)).collect();
        if open.is_empty() {
            let failed_fast = self.dag.fail_fast && self.states.values().any(|state| *state == Some(TaskState::Failed));
            let failed = failed_fast || self.leaves().iter().flat_map(|leaf| self.states_of(leaf)).any(is_failed);
            self.outcome = Some(if failed { RunState::Failed } else { RunState::Success });
        } else if open.iter().all(Option::is_none) {
            self.outcome = Some(RunState::Failed);
        }
    }

    fn set(&mut self, id: &str, state: TaskState) {
        self.states.insert(id.to_owned(), Some(state));
        self.due.remove(id);
    }

    /// Of an instance that stands for all of its task: how many there are, if that is known.
    fn count(&self, id: &str) -> Option<Option<u64>> {
        let mapping = self.dag.mapping_of(id).filter(|_| task_of(id) == id)?;
        let returned = |name: &String| self.lengths.get(name).map(|length| u64::from(*length));
        let length = |source: &str| match self.instances(source).as_slice() {
            [alone] if alone == source => returned(alone),
            several => Some(several.iter().filter_map(returned).count() as u64),
        };
        Some(mapping.count(length).ok())
    }

    fn unfold(&mut self, id: &str, count: Option<u64>) {
        match count {
            None => self.set(id, TaskState::UpstreamFailed),
            Some(0) => self.set(id, TaskState::Skipped),
            Some(count) => {
                self.states.remove(id);
                self.states.extend((0..count as i32).map(|index| (name(id, index), None)));
            }
        }
    }

    /// One of several instances decides on those with its own index alone, now or once they are there.
    fn skip(&mut self, instance: &str, tasks: BTreeSet<String>) {
        use TaskState::{Failed, Removed, Running, Skipped, Success};
        let direct = self.children(task_of(instance));
        let left_out = tasks.iter().filter(|task| direct.contains(*task));
        self.left_out.extend(left_out.map(|task| format!("{task}{}", index_of(instance))));
        let reached = tasks.iter().flat_map(|task| self.instances(task));
        let reached = reached.filter(|id| index_of(instance).is_empty() || index_of(id) == index_of(instance));
        for id in reached.collect::<Vec<_>>() {
            if !matches!(self.states[&id], Some(Running | Success | Failed | Skipped | Removed)) {
                self.set(&id, Skipped);
            }
        }
    }

    /// What the rules make of an instance now, if anything.
    fn verdict(&self, instance: &str) -> Option<TaskState> {
        if self.states[instance].is_some() && !self.due.contains(instance) {
            return None;
        }
        let id = task_of(instance);
        let task = self.task(id);
        if self.left_out.contains(instance) || self.left_out.contains(id) {
            return Some(TaskState::Skipped);
        }
        let sources = self.by_sources(task);
        let decides = task.trigger_rule == TriggerRule::Always;
        if decides || matches!(sources, Some(TaskState::UpstreamFailed | TaskState::Skipped)) {
            return sources;
        }
        let mut waits = sources.is_none();
        if task.is_teardown {
            waits |= self
                .between_setups_and(id)
                .iter()
                .flat_map(|id| self.states_for(instance, id))
                .any(|state| !is_done(state));
        } else {
            let setups = self.setups_above(id);
            let setups: Vec<State> = setups.iter().flat_map(|setup| self.states_for(instance, setup)).collect();
            if setups.iter().any(|state| is_failed(*state)) {
                return Some(TaskState::UpstreamFailed);
            }
            if setups.contains(&Some(TaskState::Skipped)) {
                return Some(TaskState::Skipped);
            }
            waits |= setups.iter().any(|state| *state != Some(TaskState::Success));
        }
        let verdict = self.by_rule(instance, task)?;
        (verdict != TaskState::Scheduled || !waits).then_some(verdict)
    }

    /// What the tasks say that a task is mapped over: nothing as long as one of them has not ended.
    fn by_sources(&self, task: &Task) -> Option<TaskState> {
        let mapping = self.dag.mapping_of(&task.task_id);
        let sources: Vec<&str> = mapping.into_iter().flat_map(|mapping| mapping.sources()).collect();
        let alone: Vec<State> = sources.iter().filter_map(|source| self.states.get(*source).copied()).collect();
        if alone.iter().any(|state| is_failed(*state)) {
            Some(TaskState::UpstreamFailed)
        } else if alone.contains(&Some(TaskState::Skipped)) {
            Some(TaskState::Skipped)
        } else {
            let all_done = sources.iter().flat_map(|source| self.states_of(source)).all(is_done);
            all_done.then_some(TaskState::Scheduled)
        }
    }

    fn by_rule(&self, instance: &str, task: &Task) -> Option<TaskState> {
        use TaskState::{Scheduled, Skipped, Success, UpstreamFailed};
        let above: Vec<State> = task.upstream.iter().flat_map(|id| self.states_for(instance, id)).collect();
        if above.is_empty() {
            return Some(Scheduled);
        }
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
                let setups = || {
                    task.upstream
                        .iter()
                        .filter(|id| self.task(id).is_setup)
                        .flat_map(|id| self.states_for(instance, id))
                };
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

    /// Every instance.
    fn all(&self) -> Vec<String> {
        self.states.keys().cloned().collect()
    }

    /// The instances of a task.
    fn instances(&self, task: &str) -> Vec<String> {
        self.states.keys().filter(|instance| task_of(instance) == task).cloned().collect()
    }

    fn states_of(&self, task: &str) -> Vec<State> {
        self.instances(task).iter().map(|instance| self.states[instance]).collect()
    }

    /// Of the instances of a task, those that concern an instance of another: in a mapped group, the one with the same index.
    fn states_for(&self, instance: &str, task: &str) -> Vec<State> {
        let inside = self.share_group(task_of(instance), task);
        let concerns = |other: &String| !inside || index_of(other) == index_of(instance);
        self.instances(task).into_iter().filter(concerns).map(|other| self.states[&other]).collect()
    }

    fn share_group(&self, left: &str, right: &str) -> bool {
        let groups = self.dag.mapped_groups();
        let of = |id: &str| groups[self.dag.tasks.iter().position(|task| task.task_id == id).unwrap()];
        of(left).is_some() && of(left) == of(right)
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
