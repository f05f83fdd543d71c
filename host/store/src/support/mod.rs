//! What both implementations need and no caller does: pure functions and a cache.

pub mod batch;
mod dag_cache;
mod fitting;
mod moves;
mod shares;
mod text;
mod versions;

pub use dag_cache::DagCache;
pub use fitting::{Candidate, fitting};
pub use moves::{Waits, brought_about, made_due, rounds, waits};
pub use shares::{Backlog, Turns};
pub use text::storable;
pub use versions::compare_versions;
