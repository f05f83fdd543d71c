//! Tries that wait without an instance, and go on.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use super::change::NewTrigger;
use super::event::{Effect, EndedTry};
use super::machine::RunMachine;
use crate::dag::{OperatorKind, Task};
use crate::outcome::{Deferral, Failure, FailureCause, Resume, ResumeEvent};
use crate::state::TaskState;
use crate::trigger::{self, Trigger};

impl RunMachine {
    /// The end of the wait that the clock brings is decided at once: it is kept with the instance, and what comes first replaces
    /// it.
    pub(super) fn defer(&mut self, number: usize, deferral: Deferral, ended: &EndedTry) {
        let Deferral { mut trigger, state, timeout_ms } = deferral;
        let slot = &self.slots[number];
        let task = self.plan.task(slot.task);
        if task.resolved.kind == OperatorKind::Sensor {
            trigger.poll_every((task.sensor.poke_interval.0 * 1e3) as u64);
        }
        let timeout = timeout_ms.and_then(|timeout| moment_after(ended.ended_at, timeout));
        let deadline = timeout.into_iter().chain(patience(task, slot.first_started_at, ended.ended_at)).min();
        let faults = trigger::faults(&trigger);
        let resume = if faults.is_empty() {
            wait_for(&trigger, deadline, ended.ended_at).and_then(|(at, event)| Ok((at, resume(state, event)?)))
        } else {
            Err(faults.join("; it "))
        };
        match resume {
            Ok((wake_at, resume)) => {
                let slot = &mut self.slots[number];
                (slot.wake_at, slot.resume_state) = (wake_at, Some(resume));
                let (instance, try_number) = (slot.id, slot.try_number);
                self.suspend(number, TaskState::Deferred, ended);
                let awaited = NewTrigger { instance, try_number, trigger, at: ended.ended_at };
                self.effects.push(Effect::Await(awaited));
            }
            Err(fault) => {
                let message = format!("the task cannot wait: its trigger `{}` {fault}", trigger.kind());
                let failure = Failure::new(FailureCause::Operator, false, message);
                self.fail(number, &failure, ended);
            }
        }
    }

    /// A try that does not wait any more was woken by something else before.
    pub(super) fn woken(&mut self, instance: Uuid, try_number: u32, event: ResumeEvent, now: DateTime<Utc>) {
        let Some(number) = self.slot_of(instance) else { return };
        let slot = &mut self.slots[number];
        if slot.state != Some(TaskState::Deferred) || slot.try_number != try_number {
            return;
        }
        let kept = slot.resume_state.take().and_then(|kept| serde_json::from_value::<Resume>(kept).ok());
        // What cannot be read was written by a program that is no longer, and the try begins anew, as it would by the clock.
        slot.resume_state = kept.and_then(|kept| resume(kept.state, event).ok());
        self.schedule(number, now);
    }
}

/// The end of a sensor's `timeout`, which has to be exceeded.
fn patience(task: &Task, since: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    if task.resolved.kind != OperatorKind::Sensor {
        return None;
    }
    since.unwrap_or(now).checked_add_signed(task.sensor.timeout.as_time_delta() + TimeDelta::microseconds(1))
}

fn moment_after(now: DateTime<Utc>, milliseconds: u64) -> Option<DateTime<Utc>> {
    now.checked_add_signed(TimeDelta::try_milliseconds(i64::try_from(milliseconds).ok()?)?)
}

/// When the clock ends the wait, if it ever does, and by what.
fn wait_for(
    trigger: &Trigger,
    deadline: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<(Option<DateTime<Utc>>, ResumeEvent), String> {
    let moment = match trigger {
        Trigger::At { instant } => *instant,
        Trigger::After { milliseconds } => {
            moment_after(now, *milliseconds).ok_or("waits beyond the end of the calendar")?
        }
        _ => return Ok((deadline, ResumeEvent::TimedOut)),
    };
    Ok(match deadline {
        Some(deadline) if deadline < moment => (Some(deadline), ResumeEvent::TimedOut),
        _ => (Some(moment), ResumeEvent::Fired { payload: json!(moment.to_rfc3339()) }),
    })
}

fn resume(state: Value, event: ResumeEvent) -> Result<Value, String> {
    serde_json::to_value(Resume { state, event })
        .map_err(|error| format!("leaves a state that cannot be kept: {error}"))
}
