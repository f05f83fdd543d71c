//! Scheduling: the conformance cases (what Apache Airflow 3.3.2 was seen to do), and what no case covers.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests, which read the cases from files")]

mod admission;
mod against_reference;
mod assets;
mod backfills;
mod callbacks;
mod cases;
mod clearing;
mod deferring;
mod difference;
mod mapped_groups;
mod mapping;
mod marks;
mod reference;
mod rules;
mod runs;
mod sensors;
mod states;
mod timetables;
mod triggers;
mod why;
