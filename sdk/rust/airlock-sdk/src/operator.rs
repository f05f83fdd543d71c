//! What the `#[operator]` attribute implements.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::outcome::{Event, IntoOutcome, Outcome};

/// An operator, as the attribute `#[operator]` makes it of a function.
pub trait Operator {
    /// What this operator is.
    fn describe() -> Description;

    /// Runs the task once, with the JSON text of its arguments.
    ///
    /// # Errors
    /// If the arguments do not fit, or the operator's function fails.
    fn execute(arguments: &str) -> Result<Outcome>;

    /// Goes on after [`Outcome::Defer`].
    ///
    /// # Errors
    /// If the operator has no `resume` function, the state does not fit it, or the function fails.
    fn resume(state: &str, event: Event) -> Result<Outcome> {
        let _ = (state, event);
        Err(Error::fail("this operator never defers, so there is nothing to resume"))
    }
}

/// What an operator says of itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// The operator's name in DAG documents.
    pub name: String,
    /// A semantic version.
    pub version: String,
    /// One sentence for the catalogue.
    pub summary: String,
    /// Longer documentation in Markdown.
    pub documentation: Option<String>,
    /// What kind of task the operator makes.
    pub kind: Kind,
    /// The JSON Schema of the arguments.
    pub arguments_schema: Value,
    /// Arguments whose strings are rendered as templates before each try.
    pub template_fields: Vec<String>,
}

/// What kind of task an operator makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Does something once.
    Action,
    /// Waits until something is true; may answer [`Outcome::Reschedule`].
    Sensor,
    /// Chooses among the tasks that follow; may answer [`Outcome::Branch`].
    Branch,
    /// May cut off what follows; may answer [`Outcome::ShortCircuit`].
    ShortCircuit,
}

/// Calls an operator's function. For the expansion of `#[operator]`.
#[doc(hidden)]
pub fn call<A, T, E>(function: impl FnOnce(A) -> Result<T, E>, arguments: &str) -> Result<Outcome>
where
    A: DeserializeOwned,
    T: IntoOutcome,
    E: Into<Error>,
{
    let arguments =
        serde_json::from_str(arguments).map_err(|error| Error::fail(error).context("the arguments do not fit"))?;
    function(arguments).map_err(Into::into)?.into_outcome()
}

/// Calls an operator's `resume` function. For the expansion of `#[operator]`.
#[doc(hidden)]
pub fn call_resume<S, T, E>(
    function: impl FnOnce(S, Event) -> Result<T, E>,
    state: &str,
    event: Event,
) -> Result<Outcome>
where
    S: DeserializeOwned,
    T: IntoOutcome,
    E: Into<Error>,
{
    let state =
        serde_json::from_str(state).map_err(|error| Error::fail(error).context("the deferred state does not fit"))?;
    function(state, event).map_err(Into::into)?.into_outcome()
}
