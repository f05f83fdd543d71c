//! Write Airlock operators in Rust.
//!
//! ```
//! use airlock_sdk::prelude::*;
//!
//! #[arguments]
//! struct Greeting {
//!     /// Who is greeted.
//!     name: String,
//! }
//!
//! /// Greets somebody.
//! #[operator(name = "greet", template_fields(name))]
//! fn greet(greeting: Greeting) -> Result<String> {
//!     log::info!("greeting {}", greeting.name);
//!     Ok(format!("Hello, {}!", greeting.name))
//! }
//! # fn main() {}
//! ```
//!
//! Built for `wasm32-wasip2`, this is a component that Airlock runs. Built for any other target, the same functions reach
//! the host's double in the module `testing`, so that `cargo test` runs an operator without WebAssembly.
//!
//! The README beside this crate shows how to begin. A component imports only the interfaces whose functions it calls, and what it imports is what it asks the host for.

mod error;
#[cfg(target_family = "wasm")]
mod export;
#[cfg(target_family = "wasm")]
mod export_trigger;
mod moment;
mod operator;
mod outcome;
mod trigger;

pub mod assets;
pub mod connections;
pub mod context;
pub mod dag_runs;
pub mod http;
pub mod log;
pub mod object_store;
pub mod sql;
pub mod variables;
pub mod xcom;

#[cfg(not(target_family = "wasm"))]
pub mod testing;
#[cfg(target_family = "wasm")]
mod wasm;

/// Where the functions of this crate go: over the imports in a component, to the double elsewhere. A module and no trait,
/// so that the linker sees which imports are never called and leaves them out of the component.
#[cfg(not(target_family = "wasm"))]
use testing::host;
#[cfg(target_family = "wasm")]
use wasm as host;

pub use airlock_sdk_macros::{arguments, operator};
pub use context::context;
pub use error::{Error, Result};
pub use moment::{MomentError, format_moment, moment};
pub use operator::{Description, Kind, Operator};
pub use outcome::{Deferral, Event, IntoOutcome, Outcome, ShortCircuitScope};
pub use trigger::{
    DagRunTrigger, HttpTrigger, JsonCondition, KeyMatching, ObjectsTrigger, RunSelector, SqlCondition, SqlTrigger,
    StatusSet, TasksTrigger, Trigger,
};
pub use {schemars, serde, serde_json};

/// What nearly every operator needs.
pub mod prelude {
    pub use crate::serde_json::{Value, json};
    pub use crate::{Error, Event, Outcome, Result, Trigger, arguments, context, log, operator};
}

/// For the expansion of `#[operator]`; not for people.
#[doc(hidden)]
pub mod expansion {
    #[cfg(target_family = "wasm")]
    pub use crate::export::Exported;
    pub use crate::operator::{call, call_resume};
    #[cfg(target_family = "wasm")]
    pub use crate::wasm::bindings;

    /// The JSON Schema of an operator's arguments.
    pub fn arguments_schema<A: schemars::JsonSchema>() -> serde_json::Value {
        schemars::schema_for!(A).to_value()
    }

    /// The arguments of an operator whose function takes none.
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    #[serde(deny_unknown_fields)]
    pub struct NoArguments {}
}

/// Makes a component of an operator. Anywhere but in WebAssembly there is nothing to make.
#[cfg(target_family = "wasm")]
#[doc(hidden)]
#[macro_export]
macro_rules! __export_operator {
    ($operator:ty) => {
        const _: () = {
            type Component = $crate::expansion::Exported<$operator>;
    $crate::expansion::bindings::export!(Component with_types_in $crate::expansion::bindings);
        };
    };
}

/// Makes a component of an operator. Anywhere but in WebAssembly there is nothing to make.
#[cfg(not(target_family = "wasm"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __export_operator {
    ($operator:ty) => {};
}

/// The code in the SDK's README, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
