//! The rules of Airlock: what Airflow's semantics say, as pure functions over plain data.
//!
//! Nothing here reads a clock, makes a random number, opens a file or waits: `now` is always an argument, and what is to
//! happen comes back as data ([`run::Effect`]). The shells (`scheduler`, `worker`, `api`) act on it.

pub mod access;
pub mod admit;
pub mod asset;
pub mod backfill;
pub mod callback;
pub mod clear;
pub mod connection;
pub mod dag;
pub mod digest;
pub mod fault;
pub mod id;
pub mod limits;
pub mod mark;
pub mod mask;
pub mod near;
pub mod outcome;
pub mod retention;
pub mod retry;
pub mod run;
pub mod schema;
pub mod state;
pub mod template;
pub mod timetable;
pub mod trigger;
pub mod why;
