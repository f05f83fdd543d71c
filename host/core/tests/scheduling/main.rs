//! The conformance cases that concern scheduling: what Apache Airflow 3.3.2 was seen to do.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests, which read the cases from files")]

mod cases;
mod rules;
mod runs;
mod timetables;
