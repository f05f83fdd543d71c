//! What a call answered, or why it did not, in the terms of the core.

use airlock_core::limits::Limits;
use airlock_core::outcome::{Failure, FailureCause, ShortCircuitScope, TryResult};
use serde_json::Value;
use wasmtime::component::ResourceTableError;
use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use super::Ended;
use super::deferral::deferral;
use crate::bindings::exports::airlock::operator::task;
use crate::host::moment;
use crate::limit::{Limit, LimitReached};

/// Bytes of a message and of a backtrace that are kept.
const MESSAGE_BYTES: usize = 16 << 10;
const BACKTRACE_BYTES: usize = 64 << 10;

/// Frames of a guest's stack that are shown.
const FRAMES: usize = 40;

/// What an operator answered.
pub(crate) fn answered(answer: Result<task::Outcome, task::Failure>, limits: &Limits) -> TryResult {
    match answer {
        Ok(outcome) => match outcome_of(outcome, limits) {
            Ok(result) => result,
            Err(failure) => TryResult::Failure(failure),
        },
        Err(task::Failure::Retry(detail)) => TryResult::Failure(operator_failure(detail, true)),
        Err(task::Failure::Fail(detail)) => TryResult::Failure(operator_failure(detail, false)),
    }
}

fn operator_failure(detail: task::FailureDetail, retryable: bool) -> Failure {
    Failure {
        backtrace: detail.backtrace.map(|text| clipped(text, BACKTRACE_BYTES)),
        retry_after_ms: detail.retry_after_ms,
        ..Failure::new(FailureCause::Operator, retryable, clipped(detail.message, MESSAGE_BYTES))
    }
}

fn outcome_of(outcome: task::Outcome, limits: &Limits) -> Result<TryResult, Failure> {
    Ok(match outcome {
        task::Outcome::Success(value) => {
            let value = value.map(|value| json(&value, limits, "returning its result")).transpose()?;
            TryResult::Success { value, length: None }
        }
        task::Outcome::Skip(reason) => TryResult::Skip { reason: reason.map(|text| clipped(text, MESSAGE_BYTES)) },
        task::Outcome::Branch(follow) => TryResult::Branch { follow },
        task::Outcome::ShortCircuit(scope) => TryResult::ShortCircuit {
            scope: match scope {
                task::ShortCircuitScope::AllDownstream => ShortCircuitScope::AllDownstream,
                task::ShortCircuitScope::DirectDownstream => ShortCircuitScope::DirectDownstream,
            },
        },
        task::Outcome::Reschedule(None) => TryResult::Reschedule { at: None },
        task::Outcome::Reschedule(Some(at)) => TryResult::Reschedule {
            at: Some(moment(at).ok_or_else(|| wrong("the moment of `outcome.reschedule` is outside of the calendar"))?),
        },
        task::Outcome::Defer(wanted) => TryResult::Defer { deferral: deferral(wanted, limits)? },
    })
}

/// An answer that breaks the contract: the same module would break it again.
pub(super) fn wrong(message: &str) -> Failure {
    Failure::new(FailureCause::Operator, false, message.to_owned())
}

pub(super) fn json(text: &str, limits: &Limits, doing: &'static str) -> Result<Value, Failure> {
    let bytes = text.len() as u64;
    if bytes > limits.xcom_bytes {
        return Err(limit_failure(&LimitReached::new(Limit::XComBytes, limits.xcom_bytes, bytes, doing)));
    }
    serde_json::from_str(text).map_err(|error| wrong(&format!("the operator answered no JSON while {doing}: {error}")))
}

pub(crate) fn limit_failure(limit: &LimitReached) -> Failure {
    Failure::new(FailureCause::Limit, true, limit.to_string())
}

/// Why a guest did not come to an answer. `last_errors` are its last lines on standard error.
pub(crate) fn ended(error: &wasmtime::Error, limits: &Limits, stack_bytes: usize, last_errors: &str) -> Ended {
    let frames = backtrace(error);
    if let Some(limit) = limit_of(error, limits, stack_bytes) {
        return Ended::AtLimit(limit.limit, Failure { backtrace: frames, ..limit_failure(&limit) });
    }
    if error.is::<PoolConcurrencyLimitError>() {
        let message = format!("the host has no room for another instance: {error}");
        return Ended::Failed(Failure::new(FailureCause::Host, true, message));
    }
    let mut message = match (error.downcast_ref::<I32Exit>(), error.downcast_ref::<Trap>()) {
        (Some(I32Exit(code)), _) => format!("the module ended itself by `exit({code})`"),
        (_, Some(trap @ Trap::MemoryOutOfBounds)) => {
            format!("the module trapped: {trap} (as a recursion does that is too deep for the module's own stack)")
        }
        (_, Some(trap)) => format!("the module trapped: {trap}"),
        _ => format!("the module was ended: {}", error.root_cause()),
    };
    let mut backtrace = frames.unwrap_or_default();
    if !last_errors.is_empty() {
        message.push_str("; its last lines on standard error: ");
        message.push_str(last_errors);
        backtrace = format!("{last_errors}\n{backtrace}");
    }
    Ended::Failed(Failure {
        backtrace: (!backtrace.is_empty()).then(|| clipped(backtrace, BACKTRACE_BYTES)),
        ..Failure::new(FailureCause::Trap, true, clipped(message, MESSAGE_BYTES))
    })
}

/// Our own limits are errors of a type of ours. Those that the runtime enforces by itself are known by type where it has
/// one, and otherwise by their words, which the tests of hostile guests hold fast.
fn limit_of(error: &wasmtime::Error, limits: &Limits, stack_bytes: usize) -> Option<LimitReached> {
    if let Some(limit) = error.downcast_ref::<LimitReached>() {
        return Some(limit.clone());
    }
    let handles = || LimitReached::beyond(Limit::Handles, limits.handles.into(), "opening a handle");
    if matches!(error.downcast_ref::<ResourceTableError>(), Some(ResourceTableError::Full)) {
        return Some(handles());
    }
    if matches!(error.downcast_ref::<Trap>(), Some(Trap::StackOverflow)) {
        return Some(LimitReached::beyond(Limit::Stack, stack_bytes as u64, "calling functions"));
    }
    let text = format!("{error:#}");
    if text.contains("store handle limit exceeded") {
        Some(handles())
    } else if text.contains("fuel allocated for hostcalls has been exhausted") {
        Some(LimitReached::beyond(Limit::HostCall, limits.host_call_bytes, "handing a value to the host"))
    } else if text.contains("resource limit exceeded") {
        Some(LimitReached::beyond(Limit::Instances, limits.instances.into(), "starting"))
    } else {
        None
    }
}

fn backtrace(error: &wasmtime::Error) -> Option<String> {
    let frames = error.downcast_ref::<WasmBacktrace>()?.frames();
    let lines = frames.iter().take(FRAMES).enumerate().map(|(index, frame)| {
        let offset = frame.module_offset().unwrap_or_default();
        match frame.func_name() {
            Some(name) => format!("{index}: {name} (at {offset:#x})\n"),
            None => format!("{index}: function {} (at {offset:#x})\n", frame.func_index()),
        }
    });
    let mut text: String = lines.collect();
    if frames.len() > FRAMES {
        text.push_str(&format!("and {} more\n", frames.len() - FRAMES));
    }
    (!text.is_empty()).then_some(text)
}

fn clipped(mut text: String, bytes: usize) -> String {
    if text.len() > bytes {
        text.truncate(text.floor_char_boundary(bytes));
        text.push_str(" ... (cut off)");
    }
    text
}
