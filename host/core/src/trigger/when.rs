//! When a trigger is looked at.

use chrono::{DateTime, TimeDelta, Utc};

use super::Trigger;

/// What is polled, is polled no more often than this; an operator that asks for less gets this.
pub const SHORTEST_POLL: TimeDelta = TimeDelta::seconds(1);

/// One look takes no longer than this, or counts as trouble.
pub const CHECK_TIME: TimeDelta = TimeDelta::seconds(30);

/// Between two looks where neither the operator nor the task says.
const USUAL_POLL_MS: u64 = 60_000;

/// After trouble the interval is doubled each time, up to this (or the interval itself, where that is longer).
const LONGEST_BACKOFF: TimeDelta = TimeDelta::minutes(10);

/// The first interval after trouble of what is not polled.
const FIRST_BACKOFF: TimeDelta = TimeDelta::seconds(5);

/// What begins to wait while what it waits for is being committed is told of nothing. A second look after this long finds it: no
/// transaction of ours takes so long.
const SECOND_LOOK: TimeDelta = TimeDelta::seconds(10);

/// How a look ended that did not end the wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looked {
    /// What is waited for is not there.
    NotYet,
    /// It could not be found out, so many times in a row.
    Trouble(u32),
}

/// When a trigger is looked at first; none for what its task's own timer ends.
pub fn first_look(trigger: &Trigger, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    match trigger {
        Trigger::At { .. } | Trigger::After { .. } => None,
        _ => Some(now),
    }
}

/// When a trigger is looked at next; none for what is looked at only when something has happened. `looks` counts those that came
/// to an answer before this one.
pub fn next_look(trigger: &Trigger, looks: u32, looked: Looked, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let poll = trigger.poll_ms().map(|poll_ms| {
        let milliseconds = i64::try_from(poll_ms.unwrap_or(USUAL_POLL_MS)).unwrap_or(i64::MAX);
        TimeDelta::try_milliseconds(milliseconds).unwrap_or(TimeDelta::MAX).max(SHORTEST_POLL)
    });
    let pause = match (looked, poll) {
        (Looked::NotYet, Some(poll)) => poll,
        (Looked::NotYet, None) if looks == 0 => SECOND_LOOK,
        (Looked::NotYet, None) => return None,
        (Looked::Trouble(times), poll) => {
            let first = poll.unwrap_or(FIRST_BACKOFF);
            let factor = 1 << times.saturating_sub(1).min(16);
            first.checked_mul(factor).unwrap_or(TimeDelta::MAX).min(LONGEST_BACKOFF.max(first))
        }
    };
    // An interval beyond the calendar never comes.
    now.checked_add_signed(pause)
}
