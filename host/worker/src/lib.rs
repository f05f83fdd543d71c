//! Claims tries, runs them in the sandbox, keeps their leases alive and reports how they ended.
//!
//! A worker decides nothing: what a result means for the task, its retries and what follows is the scheduler's to say. It
//! knows a try by its lease token; once the store says that the token is stale, it stops the try and reports nothing.

mod assets;
mod callback;
mod callback_lease;
mod claim;
mod connections;
mod dag_runs;
mod definitions;
mod expansion;
mod heartbeat;
mod lookup;
mod mapping;
mod metrics;
mod options;
mod poke;
mod prepare;
mod report;
mod services;
mod shell;
mod spans;
mod trial;
mod triggers;

pub use claim::{Worker, WorkerParts};
pub use connections::VaultConnections;
pub use heartbeat::{Stop, StopReason};
pub use options::WorkerOptions;
pub use shell::Runner;
