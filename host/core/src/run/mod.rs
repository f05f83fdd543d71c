//! The life of one DAG run.

mod change;
mod past;

pub use change::{Move, NewInstance, RunChange, Settles};
pub use past::Past;
