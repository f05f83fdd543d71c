//! When a run is to be finished, and what follows if it is not.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{About, CallbackEvent, MissedDeadline, NewCallback};
use crate::dag::{Callback, DeadlineReference, Seconds};

/// What a deadline is reckoned by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeadlineFacts<'a> {
    pub queued_at: DateTime<Utc>,
    pub logical_date: Option<DateTime<Utc>>,
    /// How long earlier runs of the DAG took, the newest first: as many as [`DeadlineReference::AverageRuntime`] asks for.
    pub durations: &'a [TimeDelta],
    pub now: DateTime<Utc>,
}

/// The deadline of a run; none where the reference has no moment for it.
pub fn deadline_time(
    reference: &DeadlineReference,
    interval: Seconds,
    facts: DeadlineFacts<'_>,
) -> Option<DateTime<Utc>> {
    let since = match *reference {
        DeadlineReference::DagrunQueuedAt => facts.queued_at,
        DeadlineReference::DagrunLogicalDate => facts.logical_date?,
        DeadlineReference::Fixed(at) => at,
        DeadlineReference::AverageRuntime { max_runs, min_runs } => {
            let counted = facts.durations.iter().take(usize::try_from(max_runs).ok()?);
            let count = i32::try_from(counted.len()).ok().filter(|count| *count > 0)?;
            if i64::from(count) < i64::from(min_runs) {
                return None;
            }
            facts.now.checked_add_signed(counted.sum::<TimeDelta>() / count)?
        }
    };
    since.checked_add_signed(interval.as_time_delta())
}

/// The callback that is due when a run has missed a deadline. `place` is the alert's place in the DAG.
pub fn missed(callback: &Callback, place: u32, deadline: MissedDeadline, id: Uuid, now: DateTime<Utc>) -> NewCallback {
    NewCallback {
        id,
        event: CallbackEvent::Deadline,
        place,
        subject: None,
        about: About { deadline: Some(deadline), ..About::default() },
        queue: callback.queue.clone(),
        at: now,
    }
}
