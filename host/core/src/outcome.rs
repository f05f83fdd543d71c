//! How a try ended: what the sandbox reports, in the terms of the core.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::state::UnknownName;
use crate::state::names;
use crate::trigger::Trigger;
use std::fmt;
use std::str::FromStr;

names! {
    /// How far a short circuit reaches.
    ShortCircuitScope, "short-circuit scope", {
        AllDownstream = "all_downstream",
        DirectDownstream = "direct_downstream",
    }
}

names! {
    /// What made a try fail, for counting and for saying so.
    FailureCause, "failure cause", {
        /// The operator said so.
        Operator = "operator",
        /// The module trapped.
        Trap = "trap",
        /// A limit of the sandbox; the message names it.
        Limit = "limit",
        /// `execution_timeout`.
        ExecutionTimeout = "execution_timeout",
        /// A sensor's `timeout`.
        SensorTimeout = "sensor_timeout",
        /// A template, an argument or a grant was wrong before the module was called.
        Preparation = "preparation",
        /// The worker's lease ran out: its process or machine is gone, or cannot reach the database.
        Lost = "lost",
        /// The worker stopped before the try was done.
        Stopped = "stopped",
        /// A person or a rule (run timeout, fail-fast) ended it.
        Cancelled = "cancelled",
        /// Something of the host failed.
        Host = "host",
    }
}

/// A request to wait without an instance; see `deferral` in `wit/task.wit`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deferral {
    pub trigger: Trigger,
    pub state: Value,
    pub timeout_ms: Option<u64>,
}

/// How one call of an operator ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TryResult {
    /// The value was pushed as the XCom `return_value`, if there was one.
    Success {
        value: Option<Value>,
        /// How many elements the value has that was pushed, for tasks that are mapped over it; 1 for an instance of a mapped
        /// task; none if nothing was pushed that can be mapped over.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        length: Option<u32>,
    },
    Skip {
        reason: Option<String>,
    },
    Branch {
        follow: Vec<String>,
    },
    ShortCircuit {
        scope: ShortCircuitScope,
    },
    Reschedule {
        at: Option<DateTime<Utc>>,
    },
    Defer {
        deferral: Deferral,
    },
    Failure(Failure),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    pub cause: FailureCause,
    /// Whether the task's retries apply.
    pub retryable: bool,
    pub message: String,
    pub backtrace: Option<String>,
    /// Until the next try, in place of what the task says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

impl Failure {
    /// Without a backtrace, and with the task's own delay.
    pub fn new(cause: FailureCause, retryable: bool, message: impl Into<String>) -> Self {
        Self { cause, retryable, message: message.into(), backtrace: None, retry_after_ms: None }
    }

    /// At most a hundred years, so that the moment that it leads to can be written down.
    pub fn retry_after(&self) -> Option<TimeDelta> {
        const LONGEST: TimeDelta = TimeDelta::days(36_500);
        let milliseconds = i64::try_from(self.retry_after_ms?).ok().and_then(TimeDelta::try_milliseconds);
        Some(milliseconds.map_or(LONGEST, |delay| delay.min(LONGEST)))
    }
}

/// What ended a deferral, handed to `resume`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ResumeEvent {
    Fired { payload: Value },
    TimedOut,
    Failed { message: String },
}

/// What `resume` is called with when a deferral is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resume {
    pub state: Value,
    pub event: ResumeEvent,
}
