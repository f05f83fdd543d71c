//! End-to-end: the real binary, over HTTP, on SQLite in one process and on PostgreSQL in three.
//!
//! `cargo xtask operators` and `cargo build --workspace --bin airlock` come first; `cargo xtask test` does both.

mod assets;
mod backfills;
mod backup;
mod bucket;
mod callbacks;
mod clear;
mod command_line;
mod control;
mod cross_dag;
mod demo;
mod deployment;
mod each;
mod faults;
mod full_disk;
mod machines;
mod mapped_groups;
mod mapping;
mod operators;
mod outcomes;
mod python;
mod recovery;
mod relay;
mod retention;
mod runs;
mod schedules;
mod slots;
mod templates;
mod tenants;
mod traces;
mod triggers;
mod watching;
mod why;
