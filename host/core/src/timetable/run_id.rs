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

/// The type that a run's name tells; a name of no known form is a manual run's.
pub fn run_type_of(run_id: &str) -> RunType {
    let prefix = run_id.split_once("__").map(|(prefix, _)| prefix);
    prefix.and_then(|prefix| prefix.parse().ok()).unwrap_or(RunType::Manual)
}
