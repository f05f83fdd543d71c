//! How a try ends well.

use std::time::{Duration, SystemTime};

use serde::Serialize;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::trigger::Trigger;

/// How a try ended well. An operator may return any serialisable value instead, which means [`Outcome::Success`].
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Done. The value, if any, becomes the XCom `return_value`.
    Success(Option<Value>),
    /// The task becomes `skipped`; the text says why.
    Skip(Option<String>),
    /// Done, and of the direct successors only these tasks (or the roots of these task groups) are followed.
    Branch(Vec<String>),
    /// Done, and what follows is skipped.
    ShortCircuit(ShortCircuitScope),
    /// A sensor's "not yet": call me again at this moment, or after the task's `poke_interval`.
    Reschedule(Option<SystemTime>),
    /// Wait without an instance, then call the operator's `resume` function.
    Defer(Deferral),
}

/// How far a short circuit reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShortCircuitScope {
    /// Every task downstream is skipped, whatever its trigger rule.
    AllDownstream,
    /// Only the direct successors are skipped; what follows them decides by its trigger rule.
    DirectDownstream,
}

/// A request to wait for a trigger and then be called again.
#[derive(Clone, Debug, PartialEq)]
pub struct Deferral {
    /// What to wait for.
    pub trigger: Trigger,
    /// Handed to the `resume` function unchanged.
    pub state: Value,
    /// After this long the wait is over, and the `resume` function is called with [`Event::TimedOut`].
    pub timeout: Option<Duration>,
}

/// What ended a deferral.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The trigger fired, with this payload: see [`Trigger`].
    Fired(Value),
    /// The deferral's timeout passed first, or that of the sensor, which answers [`Outcome::Reschedule`] to it, for the host to end the
    /// task as its `timeout` and `soft_fail` say.
    TimedOut,
    /// What was waited for can never come; the text says why.
    Failed(String),
}

impl Outcome {
    /// Done, with nothing to leave behind.
    pub fn done() -> Self {
        Self::Success(None)
    }

    /// The task becomes `skipped`.
    pub fn skip(reason: impl Into<String>) -> Self {
        Self::Skip(Some(reason.into()))
    }

    /// Of the direct successors only these are followed.
    pub fn branch<I: Into<String>>(task_ids: impl IntoIterator<Item = I>) -> Self {
        Self::Branch(task_ids.into_iter().map(Into::into).collect())
    }

    /// Call me again after the task's `poke_interval`.
    pub fn reschedule() -> Self {
        Self::Reschedule(None)
    }

    /// Wait for `trigger`, then call the `resume` function with `state`. A sensor waits no longer than its `timeout`, any other task
    /// without end unless [`Outcome::within`] says otherwise.
    ///
    /// # Errors
    /// If the state cannot be written as JSON.
    pub fn defer(trigger: impl Into<Trigger>, state: impl Serialize) -> Result<Self> {
        let state = serde_json::to_value(state).map_err(Error::fail)?;
        Ok(Self::Defer(Deferral { trigger: trigger.into(), state, timeout: None }))
    }

    /// Bounds a wait: after this long the `resume` function is called with [`Event::TimedOut`]. Other outcomes do not wait.
    #[must_use]
    pub fn within(self, timeout: Duration) -> Self {
        match self {
            Self::Defer(deferral) => Self::Defer(Deferral { timeout: Some(timeout), ..deferral }),
            other => other,
        }
    }
}

/// What an operator's function may return: an [`Outcome`], or any serialisable value for success.
///
/// A value that serialises to `null`, such as `()` or `None`, leaves no XCom, as in Airflow.
pub trait IntoOutcome {
    /// The outcome that this value stands for.
    ///
    /// # Errors
    /// If the value cannot be written as JSON.
    fn into_outcome(self) -> Result<Outcome>;
}

impl IntoOutcome for Outcome {
    fn into_outcome(self) -> Result<Outcome> {
        Ok(self)
    }
}

impl<T: Serialize> IntoOutcome for T {
    fn into_outcome(self) -> Result<Outcome> {
        let value =
            serde_json::to_value(self).map_err(|error| Error::fail(error).context("the result cannot be JSON"))?;
        Ok(Outcome::Success(Some(value).filter(|value| !value.is_null())))
    }
}
