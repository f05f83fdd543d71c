//! Which callbacks a change of a run brings about.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{About, CallbackEvent, NewCallback, Subject};
use crate::dag::{Callback, Dag, Task};
use crate::run::{FinishReason, Move, RunChange};
use crate::state::{RunState, TaskState};

/// Adds to a change of a run the callbacks that it brings about: those of tasks whose try a worker has ended, or lost, and, where
/// the run ends, those of the run. As in Airflow, nothing follows from what was decided without the task (a trigger rule, a
/// branch, a run's timeout, a person). `task_of` tells the task and the map index of an instance.
pub fn add_to_change<'a>(
    change: &mut RunChange,
    dag: &Dag,
    ended_because: Option<FinishReason>,
    task_of: impl Fn(Uuid) -> Option<(&'a Task, i32)>,
    mut new_id: impl FnMut() -> Uuid,
) {
    let mut due = Vec::new();
    for moved in &change.moves {
        let Some(event) = event_of(moved) else { continue };
        let Some((task, map_index)) = task_of(moved.instance) else { continue };
        let callbacks = task.callbacks.of(event);
        if callbacks.is_empty() {
            continue;
        }
        let subject = Subject {
            instance: moved.instance,
            task_id: task.task_id.clone(),
            map_index,
            try_number: moved.from_try,
            max_tries: moved.max_tries,
        };
        due.extend(each(callbacks, event, Some(&subject), &about_try(moved, event), moved.at, &mut new_id));
    }
    if let (Some(state), Some(reason), Some(at)) = (change.run_state, ended_because, change.at) {
        let event = if state == RunState::Success { CallbackEvent::OnSuccess } else { CallbackEvent::OnFailure };
        let about = About {
            state: Some(state.as_str().to_owned()),
            reason: Some(reason_of(state, reason).to_owned()),
            ..About::default()
        };
        due.extend(each(dag.callbacks.of(event), event, None, &about, at, &mut new_id));
    }
    change.callbacks = due;
}

/// The callbacks that are due when a worker begins a try.
pub fn on_execute(
    task: &Task,
    subject: &Subject,
    at: DateTime<Utc>,
    mut new_id: impl FnMut() -> Uuid,
) -> Vec<NewCallback> {
    let event = CallbackEvent::OnExecute;
    let about = About { state: Some(TaskState::Running.as_str().to_owned()), ..About::default() };
    each(task.callbacks.of(event), event, Some(subject), &about, at, &mut new_id).collect()
}

/// What the end of a try is called for. A move without a token was decided by nobody who ran the task.
fn event_of(moved: &Move) -> Option<CallbackEvent> {
    let settles = moved.settles.as_ref()?;
    if settles.lease_token.is_none() || settles.final_state.is_none() {
        return None;
    }
    match moved.to? {
        TaskState::Success => Some(CallbackEvent::OnSuccess),
        TaskState::Failed => Some(CallbackEvent::OnFailure),
        TaskState::UpForRetry => Some(CallbackEvent::OnRetry),
        TaskState::Skipped => Some(CallbackEvent::OnSkipped),
        _ => None,
    }
}

fn about_try(moved: &Move, event: CallbackEvent) -> About {
    let failed = matches!(event, CallbackEvent::OnFailure | CallbackEvent::OnRetry);
    let (exception, reason) = if failed { (moved.message.clone(), None) } else { (None, moved.message.clone()) };
    About { state: moved.to.map(|state| state.as_str().to_owned()), reason, exception, deadline: None }
}

/// Airflow's words.
fn reason_of(state: RunState, reason: FinishReason) -> &'static str {
    match (reason, state) {
        (FinishReason::Done, RunState::Success) => "success",
        (FinishReason::Done, _) => "task_failure",
        (FinishReason::TimedOut, _) => "timed_out",
        (FinishReason::Deadlock, _) => "all_tasks_deadlocked",
    }
}

fn each<'a>(
    callbacks: &'a [Callback],
    event: CallbackEvent,
    subject: Option<&'a Subject>,
    about: &'a About,
    at: DateTime<Utc>,
    new_id: &'a mut impl FnMut() -> Uuid,
) -> impl Iterator<Item = NewCallback> + 'a {
    (0..).zip(callbacks).map(move |(place, callback)| NewCallback {
        id: new_id(),
        event,
        place,
        subject: subject.cloned(),
        about: about.clone(),
        queue: callback.queue.clone(),
        at,
    })
}
