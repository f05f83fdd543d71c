//! What was called because of what happened in a run. Airflow does not show its callbacks.

pub mod list;
pub mod log;
