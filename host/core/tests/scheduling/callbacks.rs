//! Which callbacks are due, and when deadlines are.

use airlock_core::callback::{
    About, CallbackEvent, CallbackState, DeadlineFacts, MAXIMUM_ATTEMPTS, NewCallback, Subject, add_to_change,
    deadline_time, definition, end_of, on_execute,
};
use airlock_core::dag::{Callback, Callbacks, Dag, DeadlineReference, Seconds};
use airlock_core::outcome::{Failure, FailureCause, TryResult};
use airlock_core::run::{FinishReason, Move, RunChange, Settles};
use airlock_core::state::{RunState, TaskState};
use chrono::TimeDelta;
use uuid::Uuid;

use crate::cases::{Moment, dag, task};

fn now() -> Moment {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn call(queue: &str) -> Callback {
    let task = task("a");
    Callback {
        operator: task.operator,
        resolved: task.resolved,
        args: task.args,
        grants: None,
        limits: task.limits,
        execution_timeout: None,
        queue: queue.to_owned(),
    }
}

/// Two callbacks for everything.
fn watched() -> Dag {
    let both = vec![call("default"), call("slow")];
    let mut watched = task("a");
    watched.callbacks = Callbacks {
        on_execute: both.clone(),
        on_success: both.clone(),
        on_failure: both.clone(),
        on_retry: both.clone(),
        on_skipped: both.clone(),
    };
    let mut dag = dag(vec![watched]);
    dag.callbacks = Callbacks { on_success: both.clone(), on_failure: both, ..Callbacks::default() };
    dag
}

/// The end of a try, by its worker or (without a token) by decision.
fn ended(to: TaskState, lease_token: Option<Uuid>, final_state: Option<TaskState>) -> Move {
    Move {
        instance: Uuid::from_u128(1),
        from_states: vec![Some(TaskState::Running)],
        from_try: 2,
        to: Some(to),
        to_try: 2,
        max_tries: 3,
        at: now(),
        wake_at: None,
        reschedules: 0,
        resume_state: None,
        message: Some("it broke".to_owned()),
        settles: Some(Settles {
            lease_token,
            started_at: None,
            ended_at: now(),
            hostname: None,
            final_state,
            cause: None,
            message: None,
            rendered_fields: None,
            skips: Vec::new(),
            map_length: None,
            outlet_events: Vec::new(),
        }),
    }
}

fn due(dag: &Dag, mut change: RunChange, reason: Option<FinishReason>) -> Vec<NewCallback> {
    let mut id = 0;
    let new_id = || {
        id += 1;
        Uuid::from_u128(id)
    };
    add_to_change(&mut change, dag, reason, |_| Some((&dag.tasks[0], 4)), new_id);
    change.callbacks
}

#[test]
fn the_end_of_a_try_is_called_for_once_and_by_what_it_came_to() {
    let (dag, token) = (watched(), Some(Uuid::from_u128(9)));
    for (to, of_the_try, event, exception) in [
        (TaskState::Success, TaskState::Success, CallbackEvent::OnSuccess, false),
        (TaskState::Failed, TaskState::Failed, CallbackEvent::OnFailure, true),
        (TaskState::UpForRetry, TaskState::Failed, CallbackEvent::OnRetry, true),
        (TaskState::Skipped, TaskState::Skipped, CallbackEvent::OnSkipped, false),
    ] {
        let moves = vec![ended(to, token, Some(of_the_try))];
        let due = due(&dag, RunChange { moves, ..RunChange::default() }, None);
        assert_eq!(due.iter().map(|one| (one.event, one.place)).collect::<Vec<_>>(), [(event, 0), (event, 1)], "{to}");
        let subject = due[1].subject.as_ref().unwrap();
        assert_eq!(
            (subject.task_id.as_str(), subject.map_index, subject.try_number, subject.max_tries),
            ("a", 4, 2, 3)
        );
        assert_eq!((due[1].queue.as_str(), due[1].about.state.as_deref()), ("slow", Some(to.as_str())));
        assert_eq!((due[1].about.exception.is_some(), due[1].about.reason.is_some()), (exception, !exception), "{to}");
        assert_eq!(definition(&dag, event, Some("a"), 1).map(|one| one.queue.as_str()), Some("slow"));
    }
}

#[test]
fn what_was_decided_without_the_task_is_not_called_for() {
    let (dag, token) = (watched(), Some(Uuid::from_u128(9)));
    let mut plain = ended(TaskState::UpstreamFailed, None, None);
    plain.settles = None;
    let moves = vec![
        ended(TaskState::Skipped, None, Some(TaskState::Skipped)),
        ended(TaskState::Failed, None, Some(TaskState::Failed)),
        ended(TaskState::UpForReschedule, token, None),
        ended(TaskState::Deferred, token, None),
        plain,
    ];
    assert_eq!(due(&dag, RunChange { moves, ..RunChange::default() }, None), []);
}

#[test]
fn the_end_of_a_run_says_why() {
    let dag = watched();
    for (state, reason, event, word) in [
        (RunState::Success, FinishReason::Done, CallbackEvent::OnSuccess, "success"),
        (RunState::Failed, FinishReason::Done, CallbackEvent::OnFailure, "task_failure"),
        (RunState::Failed, FinishReason::TimedOut, CallbackEvent::OnFailure, "timed_out"),
        (RunState::Failed, FinishReason::Deadlock, CallbackEvent::OnFailure, "all_tasks_deadlocked"),
    ] {
        let change = RunChange { run_state: Some(state), at: Some(now()), ..RunChange::default() };
        // A state that a person has set has no reason, and is not called for.
        assert_eq!(due(&dag, change.clone(), None), []);
        let due = due(&dag, change, Some(reason));
        assert_eq!(due.iter().map(|one| (one.event, one.place)).collect::<Vec<_>>(), [(event, 0), (event, 1)]);
        let about = About { state: Some(state.as_str().to_owned()), reason: Some(word.to_owned()), ..About::default() };
        assert_eq!((&due[0].about, &due[0].subject), (&about, &None));
    }
}

#[test]
fn a_try_that_begins_is_called_for() {
    let dag = watched();
    let subject =
        Subject { instance: Uuid::from_u128(1), task_id: "a".to_owned(), map_index: -1, try_number: 1, max_tries: 0 };
    let due = on_execute(&dag.tasks[0], &subject, now(), Uuid::nil);
    assert_eq!((due.len(), due[0].event, due[0].subject.as_ref()), (2, CallbackEvent::OnExecute, Some(&subject)));
}

#[test]
fn deadlines_are_reckoned_from_their_reference() {
    let at = |text: &str| -> Moment { text.parse().unwrap() };
    let minutes = [10, 20, 60].map(TimeDelta::minutes);
    let facts = DeadlineFacts {
        queued_at: at("2026-01-01T00:05:00Z"),
        logical_date: None,
        durations: &minutes,
        now: at("2026-01-01T01:00:00Z"),
    };
    let average = |max_runs, min_runs| DeadlineReference::AverageRuntime { max_runs, min_runs };
    for (reference, facts, expected) in [
        (DeadlineReference::DagrunQueuedAt, facts, Some("2026-01-01T00:06:00Z")),
        (DeadlineReference::DagrunLogicalDate, facts, None),
        (
            DeadlineReference::DagrunLogicalDate,
            DeadlineFacts { logical_date: Some(at("2025-12-31T00:00:00Z")), ..facts },
            Some("2025-12-31T00:01:00Z"),
        ),
        (DeadlineReference::Fixed(at("2030-01-01T00:00:00Z")), facts, Some("2030-01-01T00:01:00Z")),
        (average(10, 3), facts, Some("2026-01-01T01:31:00Z")),
        (average(2, 2), facts, Some("2026-01-01T01:16:00Z")),
        (average(10, 4), facts, None),
        (average(10, 1), DeadlineFacts { durations: &[], ..facts }, None),
    ] {
        let deadline = deadline_time(&reference, Seconds(60.0), facts);
        assert_eq!(deadline, expected.map(at), "{reference:?}");
    }
}

#[test]
fn what_a_worker_loses_is_called_again_and_what_an_operator_fails_is_not() {
    let failure = |cause, retryable| TryResult::Failure(Failure::new(cause, retryable, "no".to_owned()));
    for (result, attempt, state) in [
        (TryResult::Success { value: None, length: None }, 1, CallbackState::Success),
        (TryResult::Skip { reason: None }, 1, CallbackState::Success),
        (failure(FailureCause::Operator, true), 1, CallbackState::Failed),
        (failure(FailureCause::Limit, true), 1, CallbackState::Failed),
        (failure(FailureCause::Stopped, true), 1, CallbackState::Queued),
        (failure(FailureCause::Host, true), MAXIMUM_ATTEMPTS - 1, CallbackState::Queued),
        (failure(FailureCause::Host, true), MAXIMUM_ATTEMPTS, CallbackState::Failed),
        (failure(FailureCause::Host, false), 1, CallbackState::Failed),
        (TryResult::Reschedule { at: None }, 1, CallbackState::Failed),
        (TryResult::Branch { follow: Vec::new() }, 1, CallbackState::Failed),
    ] {
        assert_eq!(end_of(&result, attempt).state, state, "{result:?}");
    }
}
