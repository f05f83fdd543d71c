//! What follows from the end of a call of a try.

use chrono::{DateTime, Utc};

use super::change::{Move, Settles};
use super::event::{Effect, EndedTry};
use super::machine::RunMachine;
use crate::dag::{OperatorKind, Task};
use crate::id::UNMAPPED;
use crate::outcome::{Failure, FailureCause, ShortCircuitScope, TryResult};
use crate::retry::{next_look, retry_delay};
use crate::state::TaskState;

impl RunMachine {
    /// A try that the machine does not know as queued or running is somebody's who has been overtaken: nothing follows.
    pub(super) fn end_try(&mut self, ended: EndedTry) {
        let Some(number) = self.slot_of(ended.instance) else { return };
        let slot = &mut self.slots[number];
        let is_current = slot.try_number == ended.try_number && slot.state.is_some_and(TaskState::holds_slot);
        if !is_current {
            return;
        }
        slot.first_started_at = slot.first_started_at.or(ended.started_at);
        slot.skips = Vec::new();
        slot.map_length = match &ended.result {
            TryResult::Success { length, .. } => *length,
            _ => None,
        };
        match ended.result.clone() {
            TryResult::Success { .. } => self.finish(number, TaskState::Success, &ended, None, None),
            TryResult::Skip { reason } => self.finish(number, TaskState::Skipped, &ended, None, reason),
            TryResult::Branch { follow } => self.branch(number, &follow, &ended),
            TryResult::ShortCircuit { scope } => self.short_circuit(number, scope, &ended),
            TryResult::Reschedule { at } => self.reschedule(number, at, &ended),
            TryResult::Defer { deferral } => self.defer(number, deferral, &ended),
            TryResult::Failure(failure) => self.fail(number, &failure, &ended),
        }
    }

    /// Ends the try, and the task with it unless the state says otherwise.
    fn finish(
        &mut self,
        number: usize,
        to: TaskState,
        ended: &EndedTry,
        cause: Option<FailureCause>,
        message: Option<String>,
    ) {
        let slot = &mut self.slots[number];
        (slot.reschedules, slot.resume_state, slot.first_started_at) = (0, None, None);
        if to != TaskState::UpForRetry {
            slot.wake_at = None;
        }
        let mut moved = self.shift(number, &[Some(TaskState::Running)], to, ended.ended_at);
        // The try itself has failed, whatever becomes of the task: Airflow's history says so too.
        let of_the_try = if to == TaskState::UpForRetry { TaskState::Failed } else { to };
        settle(&mut moved, ended, Some(of_the_try), cause, message);
        if let Some(settles) = &mut moved.settles {
            settles.skips.clone_from(&self.slots[number].skips);
            settles.map_length = self.slots[number].map_length;
            if to == TaskState::Success {
                settles.outlet_events.clone_from(&ended.outlet_events);
            }
        }
        self.effects.push(Effect::Move(moved));
    }

    /// Ends the call, and leaves the try to go on.
    pub(super) fn suspend(&mut self, number: usize, to: TaskState, ended: &EndedTry) {
        let mut moved = self.shift(number, &[Some(TaskState::Running)], to, ended.ended_at);
        settle(&mut moved, ended, None, None, None);
        self.effects.push(Effect::Move(moved));
    }

    /// Of the direct successors, those that are not followed are skipped; one that is reached through a followed task is not.
    fn branch(&mut self, number: usize, follow: &[String], ended: &EndedTry) {
        let mut followed = Vec::new();
        for id in follow {
            match self.plan.branch_targets(id) {
                Some(targets) => followed.extend(targets),
                None => {
                    let task_id = &self.plan.task(self.slots[number].task).task_id;
                    let message = format!(
                        "`{task_id}` branches to `{id}`, which is neither a task nor a task group of this DAG; its direct \
                         successors are {}",
                        self.successors(number)
                    );
                    let failure = Failure::new(FailureCause::Operator, true, message);
                    return self.fail(number, &failure, ended);
                }
            }
        }
        let mut kept = self.plan.all_downstream(followed.iter().copied());
        kept.extend(followed);
        let task = self.slots[number].task;
        let skipped: Vec<usize> =
            self.plan.tasks[task].downstream.iter().copied().filter(|next| !kept.contains(next)).collect();
        self.decide_against(number, &skipped);
        self.finish(number, TaskState::Success, ended, None, None);
        let why = format!("`{}` does not branch to it", self.plan.task(task).task_id);
        self.skip(number, &skipped, ended.ended_at, &why);
    }

    fn short_circuit(&mut self, number: usize, scope: ShortCircuitScope, ended: &EndedTry) {
        let task = self.slots[number].task;
        let mut skipped: Vec<usize> = match scope {
            ShortCircuitScope::AllDownstream => self.plan.all_downstream([task]).into_iter().collect(),
            ShortCircuitScope::DirectDownstream => self.plan.tasks[task].downstream.clone(),
        };
        // Of others, one instance among many cannot tell what comes after several steps: their indexes are not its own.
        let is_mapped = self.slots[number].map_index != UNMAPPED;
        let reaches =
            |next: &usize| self.plan.tasks[task].downstream.contains(next) || self.plan.share_mapped_group(task, *next);
        skipped.retain(|next| !self.plan.task(*next).is_teardown && (!is_mapped || reaches(next)));
        skipped.sort_unstable();
        self.decide_against(number, &skipped);
        self.finish(number, TaskState::Success, ended, None, None);
        let why = format!("short circuit at `{}`", self.plan.task(task).task_id);
        self.skip(number, &skipped, ended.ended_at, &why);
    }

    /// Keeps which direct successors a task has decided against. What is further down is skipped through them.
    fn decide_against(&mut self, number: usize, skipped: &[usize]) {
        let direct = &self.plan.tasks[self.slots[number].task].downstream;
        let names = skipped.iter().filter(|task| direct.contains(task));
        self.slots[number].skips = names.map(|task| self.plan.task(*task).task_id.clone()).collect();
    }

    /// Skips instances of these tasks: those with the map index of the instance that has decided so, as Airflow does, or all of them
    /// if it is the only one of its task. A skip never overwrites what runs, has succeeded or has failed.
    fn skip(&mut self, decided: usize, tasks: &[usize], at: DateTime<Utc>, why: &str) {
        let index = self.slots[decided].map_index;
        for task in tasks {
            let slots = &self.nodes[*task].slots;
            let reached: Vec<usize> = match index {
                UNMAPPED => slots.values().copied().collect(),
                index => slots.get(&index).copied().into_iter().collect(),
            };
            for number in reached {
                match self.slots[number].state {
                    Some(TaskState::Running | TaskState::Restarting) => {}
                    Some(TaskState::Queued) => {
                        self.close_if(number, TaskState::Queued, TaskState::Skipped, at, why);
                    }
                    Some(state) if state.is_finished() && state != TaskState::UpstreamFailed => {}
                    _ => self.close(number, TaskState::Skipped, at, why),
                }
            }
        }
    }

    /// A sensor's "not yet". Its patience is measured from the first call of this try, and must be exceeded.
    fn reschedule(&mut self, number: usize, at: Option<DateTime<Utc>>, ended: &EndedTry) {
        let slot = &self.slots[number];
        let task = self.plan.task(slot.task);
        let since = slot.first_started_at.unwrap_or(ended.ended_at);
        let (dag_id, logical_date) = (&self.plan.dag().dag_id, self.facts.logical_date);
        let Some(next) = next_look(task, dag_id, logical_date, slot.reschedules, since, at, ended.ended_at) else {
            let message = format!(
                "the sensor's timeout of {} seconds is over: it has waited for {} seconds",
                task.sensor.timeout.0,
                (ended.ended_at - since).num_seconds()
            );
            let failure = Failure::new(FailureCause::SensorTimeout, false, message);
            return self.fail(number, &failure, ended);
        };
        let slot = &mut self.slots[number];
        slot.wake_at = Some(next);
        slot.reschedules += 1;
        slot.resume_state = None;
        self.suspend(number, TaskState::UpForReschedule, ended);
    }

    pub(super) fn fail(&mut self, number: usize, failure: &Failure, ended: &EndedTry) {
        let slot = &self.slots[number];
        let task = self.plan.task(slot.task);
        let timed_out = failure.cause == FailureCause::SensorTimeout;
        match forgiven(task, failure) {
            Forgiven::Not => {}
            Forgiven::NotYet => return self.reschedule(number, None, ended),
            Forgiven::Skip => {
                return self.finish(number, TaskState::Skipped, ended, None, Some(failure.message.clone()));
            }
        }
        let (cause, message) = (Some(failure.cause), Some(failure.message.clone()));
        let may_retry = failure.retryable && !timed_out && task.retries > 0 && slot.try_number <= slot.max_tries;
        if may_retry {
            let named = failure.retry_after();
            let delay = retry_delay(task, &self.plan.dag().dag_id, self.facts.logical_date, slot.try_number, named);
            self.slots[number].wake_at = Some(ended.ended_at + delay);
            return self.finish(number, TaskState::UpForRetry, ended, cause, message);
        }
        let fail_fast = self.plan.dag().fail_fast;
        let why = fail_fast.then(|| format!("`{}` failed, and the DAG is to fail fast", task.task_id));
        self.finish(number, TaskState::Failed, ended, cause, message);
        if let Some(why) = why {
            self.stop_others(ended.ended_at, &why);
        }
    }

    /// What runs fails, what does not is skipped, and teardowns are spared.
    fn stop_others(&mut self, at: DateTime<Utc>, why: &str) {
        for number in 0..self.slots.len() {
            if self.plan.task(self.slots[number].task).is_teardown {
                continue;
            }
            match self.slots[number].state {
                Some(state) if state.is_finished() => {}
                Some(TaskState::Queued | TaskState::Running) => {
                    self.close_if(number, TaskState::Running, TaskState::Failed, at, why);
                    self.close_if(number, TaskState::Queued, TaskState::Skipped, at, why);
                }
                _ => self.close(number, TaskState::Skipped, at, why),
            }
        }
    }

    fn successors(&self, number: usize) -> String {
        let names = self.plan.tasks[self.slots[number].task].downstream.iter();
        names.map(|next| format!("`{}`", self.plan.task(*next).task_id)).collect::<Vec<_>>().join(", ")
    }
}

/// What a sensor's failure is turned into.
enum Forgiven {
    Not,
    /// It is asked again, within its timeout.
    NotYet,
    Skip,
}

/// By `soft_fail`, `never_fail` and `silent_fail`, each as far as it reaches in Airflow.
fn forgiven(task: &Task, failure: &Failure) -> Forgiven {
    let sensor = &task.sensor;
    let is_error = match failure.cause {
        FailureCause::SensorTimeout => return if sensor.soft_fail { Forgiven::Skip } else { Forgiven::Not },
        FailureCause::ExecutionTimeout => false,
        FailureCause::Operator => failure.retryable,
        FailureCause::Trap | FailureCause::Limit => true,
        // These are not the sensor's: it never got to look, or nobody knows what it saw.
        FailureCause::Preparation
        | FailureCause::Lost
        | FailureCause::Stopped
        | FailureCause::Cancelled
        | FailureCause::Host => return Forgiven::Not,
    };
    match task.resolved.kind {
        OperatorKind::Sensor if is_error && sensor.silent_fail => Forgiven::NotYet,
        OperatorKind::Sensor if sensor.never_fail || (sensor.soft_fail && !is_error) => Forgiven::Skip,
        _ => Forgiven::Not,
    }
}

fn settle(
    moved: &mut Move,
    ended: &EndedTry,
    final_state: Option<TaskState>,
    cause: Option<FailureCause>,
    message: Option<String>,
) {
    moved.message = message.clone();
    moved.settles = Some(Settles {
        lease_token: Some(ended.lease_token),
        started_at: ended.started_at,
        ended_at: ended.ended_at,
        hostname: ended.hostname.clone(),
        final_state,
        cause: cause.map(|cause| cause.as_str().to_owned()),
        message,
        rendered_fields: ended.rendered_fields.clone(),
        skips: Vec::new(),
        map_length: None,
        outlet_events: Vec::new(),
    });
}
