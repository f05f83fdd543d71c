//! DAGs: the document that people send, and what it means once it is valid.

mod callbacks;
mod catalogue;
mod difference;
mod document;
mod hash;
pub(crate) mod mapping;
mod model;
pub mod params;
mod request;

pub use callbacks::{Callback, Callbacks, DeadlineAlert, DeadlineReference};
pub use catalogue::*;
pub use difference::{Change, Difference, ItemDifference, ListDifference, difference};
pub use document::{MAXIMUM_DOCUMENT_BYTES, MAXIMUM_TASKS, parse, parse_value};
pub use hash::canonical_hash;
pub use mapping::{Element, Elements, ExpandInput, InstanceArguments, MAXIMUM_INSTANCES, Mapping, elements_of};
pub use model::*;
pub use request::{LONGEST_NOTE, RequestError, RequestedRun, RunRequest, requested_run};
