//! Backfills: the runs of a span of the past, made or made anew at somebody's request.
//!
//! A request becomes slots, one for each run that the schedule has in the span. What happens to a slot depends on the run that
//! its time has already; that is decided when the slot's turn comes, so that a long backfill sees what has happened meanwhile.

mod plan;
mod reprocess;

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::fault::Faults;
use crate::state::{UnknownName, names};
use crate::timetable::NextRun;

pub use plan::{check, decide, plan, slots};
pub use reprocess::reprocess;

/// The most slots that one backfill may have.
pub const MOST_SLOTS: usize = 50_000;

names! {
    /// Which runs that exist already a backfill makes anew.
    ReprocessBehavior, "reprocess behavior", {
        None = "none",
        Failed = "failed",
        /// Those that have ended, however they did.
        Completed = "completed",
    }
}

names! {
    /// Why a slot of a backfill has no run of it.
    PassedOver, "reason for passing over a slot", {
        /// Its run is queued or runs.
        InFlight = "in flight",
        AlreadyExists = "already exists",
    }
}

/// What somebody asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Bounds of the interval starts, both inclusive.
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
    /// The latest first.
    pub run_backwards: bool,
    pub reprocess: ReprocessBehavior,
    /// The configuration of every run; none leaves that of runs that are made anew as it is.
    pub conf: Option<Map<String, Value>>,
}

/// A run that a backfill is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// From 1, in the order in which slots have their turns.
    pub ordinal: u32,
    pub run: NextRun,
    pub action: Action,
}

/// What becomes of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// There is no run of this time: one is made.
    Create,
    /// The run of this time is cleared, and belongs to the backfill from then on.
    Reprocess,
    Pass(PassedOver),
}

/// Why there can be no such backfill.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    #[error("{0} has a non-periodic schedule that does not support backfills")]
    NonPeriodic(String),
    #[error("from_date ({from}) must not be after to_date ({to}).")]
    DateRange { from: String, to: String },
    #[error("Backfill cannot be executed for future dates.")]
    Future,
    #[error("Backfill cannot be run in reverse when the Dag has tasks where depends_on_past=True.")]
    Direction,
    #[error(
        "Dag has tasks for which depends_on_past=True. You must set reprocess behavior to reprocess completed or \
         reprocess failed."
    )]
    ReprocessBehavior,
    #[error("the configuration does not fit the DAG's params: {0}")]
    Conf(Faults),
    #[error("No runs to create for Dag {dag_id} in the range [{from}, {to}]")]
    NoRuns { dag_id: String, from: String, to: String },
    #[error("the range has more than {MOST_SLOTS} runs; several backfills, one after the other, can cover it")]
    TooMany,
    #[error("{0}")]
    Schedule(#[from] crate::timetable::TimetableError),
}
