//! Names of runs.

use chrono::{DateTime, SecondsFormat, Utc};

use crate::state::RunType;

/// Airflow's name of a run: its type, and the moment from which it may start. `distinct` is appended where such names can meet,
/// which is where a run has no logical date.
pub fn run_id(run_type: RunType, run_after: DateTime<Utc>, distinct: Option<&str>) -> String {
    // Python's isoformat: no fraction where it is zero, else six digits; the offset in full.
    let format = if run_after.timestamp_subsec_micros() == 0 { SecondsFormat::Secs } else { SecondsFormat::Micros };
    let moment = run_after.to_rfc3339_opts(format, false);
    match distinct {
        None => format!("{run_type}__{moment}"),
        Some(distinct) => format!("{run_type}__{moment}_{distinct}"),
    }
}

/// The name of a run that is made for a partition. Not by chance, as in Airflow: who opens the same run once more makes the same
/// name. `distinct` is for a run beside one that the partition has already.
pub fn partition_run_id(run_type: RunType, run_after: DateTime<Utc>, key: &str, distinct: Option<&str>) -> String {
    match distinct {
        None => run_id(run_type, run_after, Some(&format!("_{key}"))),
        Some(distinct) => run_id(run_type, run_after, Some(&format!("_{key}__{distinct}"))),
    }
}

/// The type that a run's name tells; a name of no known form is a manual run's.
pub fn run_type_of(run_id: &str) -> RunType {
    let prefix = run_id.split_once("__").map(|(prefix, _)| prefix);
    prefix.and_then(|prefix| prefix.parse().ok()).unwrap_or(RunType::Manual)
}
