//! An [`Operator`] as the component's exports.

use std::marker::PhantomData;

use serde_json::Value;

use crate::error::{Error, Result};
use crate::export_trigger::{milliseconds, to_wit};
use crate::operator::{Kind, Operator};
use crate::outcome::{Deferral, Event, Outcome, ShortCircuitScope};
use crate::wasm::bindings::exports::airlock::operator::task as wit;
use crate::wasm::instant;

/// What the generated exports call.
pub struct Exported<O>(PhantomData<O>);

impl<O: Operator> wit::Guest for Exported<O> {
    fn describe() -> wit::Description {
        let description = O::describe();
        wit::Description {
            name: description.name,
            version: description.version,
            summary: description.summary,
            documentation: description.documentation,
            kind: match description.kind {
                Kind::Action => wit::OperatorKind::Action,
                Kind::Sensor => wit::OperatorKind::Sensor,
                Kind::Branch => wit::OperatorKind::Branch,
                Kind::ShortCircuit => wit::OperatorKind::ShortCircuit,
            },
            arguments_schema: description.arguments_schema.to_string(),
            template_fields: description.template_fields,
        }
    }

    fn execute(arguments: String) -> Result<wit::Outcome, wit::Failure> {
        O::execute(&arguments).map(outcome).map_err(failure)
    }

    fn resume(state: String, event: wit::Event) -> Result<wit::Outcome, wit::Failure> {
        let event = match event {
            wit::Event::Fired(payload) => match serde_json::from_str(&payload) {
                Ok(payload) => Event::Fired(payload),
                Err(error) => return Err(failure(Error::from(error).context("the trigger's payload is not JSON"))),
            },
            wit::Event::TimedOut => Event::TimedOut,
            wit::Event::Failed(reason) => Event::Failed(reason),
        };
        O::resume(&state, event).map(outcome).map_err(failure)
    }
}

fn outcome(outcome: Outcome) -> wit::Outcome {
    match outcome {
        Outcome::Success(value) => wit::Outcome::Success(value.as_ref().map(Value::to_string)),
        Outcome::Skip(reason) => wit::Outcome::Skip(reason),
        Outcome::Branch(follow) => wit::Outcome::Branch(follow),
        Outcome::ShortCircuit(scope) => wit::Outcome::ShortCircuit(match scope {
            ShortCircuitScope::AllDownstream => wit::ShortCircuitScope::AllDownstream,
            ShortCircuitScope::DirectDownstream => wit::ShortCircuitScope::DirectDownstream,
        }),
        Outcome::Reschedule(at) => wit::Outcome::Reschedule(at.map(instant::to_wit)),
        Outcome::Defer(Deferral { trigger, state, timeout }) => wit::Outcome::Defer(wit::Deferral {
            trigger: to_wit(trigger),
            state: state.to_string(),
            timeout_ms: timeout.map(milliseconds),
        }),
    }
}

fn failure(error: Error) -> wit::Failure {
    let retry_after_ms = error.retry_after.map(milliseconds);
    let detail = wit::FailureDetail { message: error.message, backtrace: error.details, retry_after_ms };
    if error.retryable { wit::Failure::Retry(detail) } else { wit::Failure::Fail(detail) }
}
