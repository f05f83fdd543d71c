//! Changes of a run as data: what the run machine and people's requests come to, and what a store applies.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::asset::{NewAssetEvent, OutletEvent};
use crate::callback::NewCallback;
use crate::outcome::FailureCause;
use crate::state::{RunState, TaskState};
use crate::trigger::{Trigger, first_look};

/// A task instance to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct NewInstance {
    pub id: Uuid,
    pub task_id: String,
    pub map_index: i32,
    pub state: Option<TaskState>,
    /// Airflow's: the task's `retries`. A try may be followed by another while its number is not above this.
    pub max_tries: u32,
    pub operator: String,
    pub pool: String,
    pub pool_slots: u32,
    pub queue: String,
    pub priority_weight: i64,
    pub scheduled_at: Option<DateTime<Utc>>,
}

/// A change of one task instance. It applies only if the instance is as `from_states` and `from_try` say, and if the token
/// that it settles, if any, is the one on the queue; otherwise nothing of it does. Whatever leaves `queued` and `running`
/// leaves the queue. A move to no state clears the times of the instance; a move to a finished state gives it an end, and a
/// start if it had none.
#[derive(Clone, Debug, PartialEq)]
pub struct Move {
    pub instance: Uuid,
    /// One of these: a driver does not hear when a worker starts what it had queued, so that `queued` and `running` are one
    /// to it.
    pub from_states: Vec<Option<TaskState>>,
    pub from_try: u32,
    pub to: Option<TaskState>,
    /// Becomes the instance's try number; `from_try + 1` where a new try begins.
    pub to_try: u32,
    pub max_tries: u32,
    pub at: DateTime<Utc>,
    pub wake_at: Option<DateTime<Utc>>,
    pub reschedules: u32,
    /// A [`crate::outcome::Resume`], while a deferred try waits or is about to go on.
    pub resume_state: Option<Value>,
    pub message: Option<String>,
    /// Set when the move ends a try (or a call of it). Where it has a final state, the try's history is written, once: a
    /// second ending of the same try changes nothing there.
    pub settles: Option<Settles>,
}

/// The end of a call of a try.
#[derive(Clone, Debug, PartialEq)]
pub struct Settles {
    /// Some: the move is refused unless the queue has the instance under this token. None where no worker reported the end:
    /// whatever row the instance has on the queue goes, claimed or not; it may have none (the end of a waiting try).
    pub lease_token: Option<Uuid>,
    pub started_at: Option<DateTime<Utc>>,
    pub ended_at: DateTime<Utc>,
    pub hostname: Option<String>,
    /// The state that the history of this try ends in; none if the try goes on later (reschedule, deferral).
    pub final_state: Option<TaskState>,
    pub cause: Option<String>,
    pub message: Option<String>,
    pub rendered_fields: Option<Value>,
    /// The direct successors that the try has decided against. The instance keeps them until its next try ends.
    pub skips: Vec<String>,
    /// See [`super::Instance::map_length`]; kept where there is a final state.
    pub map_length: Option<u32>,
    /// What the try has said of the events that its success brings about; empty unless it ends in success.
    pub outlet_events: Vec<OutletEvent>,
}

impl Settles {
    /// The end of a try that no worker brought about.
    pub(crate) fn by_decision(final_state: TaskState, at: DateTime<Utc>, why: &str) -> Self {
        Self {
            lease_token: None,
            started_at: None,
            ended_at: at,
            hostname: None,
            final_state: Some(final_state),
            cause: (final_state == TaskState::Failed).then(|| FailureCause::Cancelled.as_str().to_owned()),
            message: Some(why.to_owned()),
            rendered_fields: None,
            skips: Vec::new(),
            map_length: None,
            outlet_events: Vec::new(),
        }
    }
}

/// What a task that a move defers waits for. It goes when the instance leaves `deferred`, whatever the reason.
#[derive(Clone, Debug, PartialEq)]
pub struct NewTrigger {
    pub instance: Uuid,
    pub try_number: u32,
    pub trigger: Trigger,
    pub at: DateTime<Utc>,
}

impl NewTrigger {
    /// When a worker looks at it first; none for what the task's own timer ends.
    pub fn first_look(&self) -> Option<DateTime<Utc>> {
        first_look(&self.trigger, self.at)
    }
}

/// Everything that changes in one run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunChange {
    pub create: Vec<NewInstance>,
    /// What the run's new version says of instances that are there, by id: their operator, pool, slots, queue and weight. The
    /// rest stays as it is.
    pub refresh: Vec<NewInstance>,
    /// Instances that go, with their tries and XComs.
    pub remove: Vec<Uuid>,
    /// Instances that stood for all of a mapped task and become those with the map index 0, after the new ones are made.
    pub expand: Vec<Uuid>,
    /// Applied in this order.
    pub moves: Vec<Move>,
    /// What the moves to success bring about; not of moves that are refused.
    pub asset_events: Vec<NewAssetEvent>,
    /// What the moves, and the end of the run, bring about; not of moves that are refused.
    pub callbacks: Vec<NewCallback>,
    /// What the moves to `deferred` wait for; not of moves that are refused.
    pub triggers: Vec<NewTrigger>,
    /// The run's new state, as of `at`. A final one ends it and frees it; `queued` starts it anew, without an owner.
    pub run_state: Option<RunState>,
    /// The DAG version that the run goes on with.
    pub dag_version: Option<u32>,
    /// Whether this counts as a clearing of the run.
    pub clears: bool,
    /// When the run changes. A scheduler may leave it out: it is the time of its batch then.
    pub at: Option<DateTime<Utc>>,
}

impl RunChange {
    /// An instance that is made and scheduled in one change is made as scheduled.
    pub fn fold_moves_into_creates(&mut self) {
        if self.create.is_empty() {
            return;
        }
        let places: HashMap<Uuid, usize> = self.create.iter().enumerate().map(|(place, new)| (new.id, place)).collect();
        self.moves.retain(|moved| {
            let Some(new) = places.get(&moved.instance).map(|place| &mut self.create[*place]) else { return true };
            let folds = moved.to == Some(TaskState::Scheduled) && moved.from_states == [new.state];
            if folds {
                new.state = moved.to;
                new.scheduled_at = Some(moved.at);
            }
            !folds
        });
    }

    pub fn is_empty(&self) -> bool {
        self.create.is_empty()
            && self.refresh.is_empty()
            && self.remove.is_empty()
            && self.expand.is_empty()
            && self.moves.is_empty()
            && self.run_state.is_none()
            && self.dag_version.is_none()
    }
}
