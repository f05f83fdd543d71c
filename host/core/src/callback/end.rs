//! What the end of a callback's call means.

use super::CallbackState;
use crate::outcome::{FailureCause, TryResult};

/// How often a callback is begun whose worker is lost, or whose host fails it. What its operator does is never repeated.
pub const MAXIMUM_ATTEMPTS: u32 = 3;

/// What a callback goes to. `Queued`: it is called again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallbackEnd {
    pub state: CallbackState,
    pub message: Option<String>,
}

/// A callback is called to the end: an operator that wants to wait has failed. `attempt` counts from 1.
pub fn end_of(result: &TryResult, attempt: u32) -> CallbackEnd {
    let failed = |message: &str| CallbackEnd { state: CallbackState::Failed, message: Some(message.to_owned()) };
    match result {
        TryResult::Success { .. } => CallbackEnd { state: CallbackState::Success, message: None },
        TryResult::Skip { reason } => CallbackEnd { state: CallbackState::Success, message: reason.clone() },
        TryResult::Failure(failure) => {
            let of_the_host = matches!(failure.cause, FailureCause::Lost | FailureCause::Stopped | FailureCause::Host);
            if of_the_host && failure.retryable && attempt < MAXIMUM_ATTEMPTS {
                return CallbackEnd { state: CallbackState::Queued, message: Some(failure.message.clone()) };
            }
            failed(&failure.message)
        }
        TryResult::Reschedule { .. } | TryResult::Defer { .. } => {
            failed("the operator wants to wait, and a callback is called once")
        }
        TryResult::Branch { .. } | TryResult::ShortCircuit { .. } => {
            failed("the operator decides on tasks, and a callback has none after it")
        }
    }
}
