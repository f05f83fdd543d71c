//! `/dags/{dag_id}/dagRuns/{dag_run_id}/taskGroupInstances`.

pub mod patch;
