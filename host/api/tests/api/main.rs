//! The API through its router, over a real SQLite store: what clients see.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod administration;
mod assets;
mod backfills;
mod callbacks;
mod clearing;
mod contract;
mod dags;
mod event_logs;
mod faults;
mod installation;
mod instances;
mod isolation;
mod login;
mod monitor;
mod operators;
mod partitions;
mod runs;
mod settings;
mod support;
