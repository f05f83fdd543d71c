//! How Airlock is watched: every metric by name ([`catalogue`]), signs of life of loops ([`Pulse`]), and the traces of runs
//! ([`trace`]).
//!
//! The shells measure; `core` and the stores know nothing of it. What is measured goes to whatever recorder the process has
//! installed, and nowhere where there is none. A shell takes its handles once, at its start, so that counting costs no
//! look-up and no allocation. No metric has a tenant, a DAG or a task in a label.

pub mod catalogue;
mod pulse;
pub mod trace;
mod transaction;

pub use catalogue::{Kind, METRICS, Metric};
pub use metrics::{Counter, Gauge, Histogram};
pub use pulse::Pulse;
pub use transaction::Transaction;
