//! Deadlines of runs, in the shapes that Airflow's own pages read.

pub mod alerts;
pub mod list;
