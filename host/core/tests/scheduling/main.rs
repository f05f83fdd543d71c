//! The conformance cases that concern scheduling: what Apache Airflow 3.3.2 was seen to do.

mod cases;
mod rules;
mod runs;
mod timetables;
