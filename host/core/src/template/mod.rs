//! Templates in arguments, by Airflow's rules: Jinja with Airflow's context, macros and filters.
//!
//! The engine is minijinja. Three things are laid over it:
//!
//! - **Python's texts.** What a template prints looks as in Airflow: `None`, `True`, `['a', 1]`, `1e+20` ([`python`]).
//! - **Airflow's dates.** `{{ (data_interval_end - data_interval_start).days }}` and `logical_date.add(days=1)` work
//!   ([`dates`]); since minijinja's operators know no objects, `+` and `-` become function calls after compiling
//!   ([`engine`]).
//! - **Bounds.** Templates come from strangers and run in the worker's own process. Fuel bounds instructions and what they
//!   create, but not what comparing or printing a value costs whose parts are shared (`[x, x]` of `[y, y]` of ...: a few
//!   lines make a list that takes years to compare, or, nested deeply enough, overflows the stack). Every operation that
//!   puts values together is therefore checked: nothing with more than [`bounds::MAXIMUM_SIZE`] bytes when written out,
//!   or nested too deeply, ever exists.
//!
//! Rendering reads only what it is given: the [`Scope`], and a [`Lookup`] for what is in the database.

mod accessors;
mod assets;
mod bounds;
mod context;
mod dates;
mod engine;
mod filters;
mod literal;
mod lookup;
mod macros;
mod methods;
mod python;
mod render;
mod scope;

use serde_json::Value;

pub(crate) use dates::{Moment, strftime};
pub use lookup::{AssetEventView, ConnectionView, Lookup, LookupError, PulledXCom, XComPull};
pub(crate) use render::syntax_faults;
pub use render::{RenderOptions, render_fields};
pub use scope::{CallbackFacts, InstanceFacts, PreviousRun, RunFacts, Scope};

/// Whether any string in `value`, at any depth, has to be rendered.
pub fn contains_template(value: &Value) -> bool {
    match value {
        Value::String(text) => is_template(text),
        Value::Array(items) => items.iter().any(contains_template),
        Value::Object(members) => members.values().any(contains_template),
        _ => false,
    }
}

/// Whether a text has any of Jinja's marks.
pub(crate) fn is_template(text: &str) -> bool {
    ["{{", "{%", "{#"].iter().any(|mark| text.contains(mark))
}
