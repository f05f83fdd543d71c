//! What a run machine hears, and what it answers.

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::change::{Move, NewInstance, NewTrigger};
use super::past::Past;
use crate::asset::OutletEvent;
use crate::outcome::{Failure, FailureCause, ResumeEvent, TryResult};
use crate::state::{RunState, TaskState};

/// A task instance as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    pub id: Uuid,
    pub task_id: String,
    pub map_index: i32,
    pub state: Option<TaskState>,
    /// The number of the newest try; 0 before the first is queued.
    pub try_number: u32,
    pub max_tries: u32,
    /// When the first call of this try began.
    pub first_started_at: Option<DateTime<Utc>>,
    pub wake_at: Option<DateTime<Utc>>,
    pub reschedules: u32,
    pub resume_state: Option<Value>,
    /// The direct successors that its last try decided against (a branch, a short circuit): while it stands as a success, they are
    /// skipped, even when they are cleared.
    pub skips: Vec<String>,
    /// How many elements its last try returned, for tasks that are mapped over it; none if it returned nothing like that.
    pub map_length: Option<u32>,
}

/// An instance that has just been made.
impl From<&NewInstance> for Instance {
    fn from(new: &NewInstance) -> Self {
        Self {
            id: new.id,
            task_id: new.task_id.clone(),
            map_index: new.map_index,
            state: new.state,
            try_number: 0,
            max_tries: new.max_tries,
            first_started_at: None,
            wake_at: None,
            reschedules: 0,
            resume_state: None,
            skips: Vec::new(),
            map_length: None,
        }
    }
}

impl Instance {
    /// Whether the newest try has not ended: it is queued, runs, or waits to go on.
    pub(crate) fn has_open_try(&self) -> bool {
        has_open_try(self.state, self.reschedules > 0 || self.resume_state.is_some())
    }
}

pub(super) fn has_open_try(state: Option<TaskState>, goes_on: bool) -> bool {
    match state {
        Some(
            TaskState::Queued
            | TaskState::Running
            | TaskState::UpForReschedule
            | TaskState::Deferred
            | TaskState::AwaitingInput,
        ) => true,
        Some(TaskState::Scheduled) => goes_on,
        _ => false,
    }
}

/// What a machine knows of its run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFacts {
    pub logical_date: Option<DateTime<Utc>>,
    pub started_at: Option<DateTime<Utc>>,
    /// The first run of a backfill does not depend on the past.
    pub ignores_past: bool,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The machine is new: whatever follows from the states as they stand is to happen.
    Begin,
    Ended(EndedTry),
    /// What a deferred try waits for has come, or never will.
    Woken {
        instance: Uuid,
        try_number: u32,
        event: ResumeEvent,
    },
    /// A moment has come that [`Effect::WakeAt`] asked for.
    Tick,
    /// An instance left `scheduled` for the queue.
    Admitted {
        instance: Uuid,
        try_number: u32,
    },
    /// The answer to [`super::RunMachine::past_query`].
    Past(Past),
}

/// The end of a call of a try.
#[derive(Clone, Debug, PartialEq)]
pub struct EndedTry {
    pub instance: Uuid,
    pub try_number: u32,
    pub lease_token: Uuid,
    pub hostname: Option<String>,
    /// When this call began.
    pub started_at: Option<DateTime<Utc>>,
    pub ended_at: DateTime<Utc>,
    pub result: TryResult,
    pub rendered_fields: Option<Value>,
    pub outlet_events: Vec<OutletEvent>,
}

impl EndedTry {
    /// A failure of which no worker told.
    pub fn lost(
        instance: Uuid,
        try_number: u32,
        lease_token: Uuid,
        hostname: Option<String>,
        started_at: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Self {
        let message = match &hostname {
            Some(hostname) => format!("the worker on {hostname} has not been heard of in time; its try counts as lost"),
            None => "the worker has not been heard of in time; its try counts as lost".to_owned(),
        };
        let failure = Failure::new(FailureCause::Lost, true, message);
        let result = TryResult::Failure(failure);
        Self {
            instance,
            try_number,
            lease_token,
            hostname,
            started_at,
            ended_at: now,
            result,
            rendered_fields: None,
            outlet_events: Vec::new(),
        }
    }
}

/// What is to happen.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    Move(Move),
    /// Somebody is to look out for this, once the move before it is applied.
    Await(NewTrigger),
    /// The instances of a mapped task are to be made, before any move of theirs.
    Expand {
        /// The one that stood for all of them until now, and is the first of them from now on.
        first: Option<Uuid>,
        create: Vec<NewInstance>,
    },
    /// Say [`Event::Tick`] at this moment. Asked anew for each moment; one that comes too early does no harm.
    WakeAt(DateTime<Utc>),
    /// Once the moves are applied, load the run again: what became of some of them only the database knows.
    Reload,
    FinishRun {
        state: RunState,
        reason: FinishReason,
        at: DateTime<Utc>,
    },
}

/// Why a run ended as it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinishReason {
    /// Every task is finished; the leaves decided.
    Done,
    /// `dagrun_timeout`.
    TimedOut,
    /// Tasks are left, and nothing can ever let them run.
    Deadlock,
}
