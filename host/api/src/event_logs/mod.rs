//! `/eventLogs`: who did what.

pub mod get;
pub mod list;
mod record;

pub use record::{Operations, record};
