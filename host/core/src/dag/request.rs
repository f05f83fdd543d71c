//! Runs that somebody asks for: what is given is checked, and what is not is filled in.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::{Dag, params};
use crate::fault::Faults;
use crate::id::MAXIMUM_ID_LENGTH;
use crate::state::RunType;
use crate::timetable::{self, DataInterval, TimetableError, manual_data_interval, run_type_of};

/// Characters of a note, as in Airflow.
pub const LONGEST_NOTE: usize = 1_000;

/// What a person or a task asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunRequest {
    /// None: one is made of the run's type and `run_after`.
    pub run_id: Option<String>,
    pub logical_date: Option<DateTime<Utc>>,
    /// None: what the timetable says for the logical date.
    pub data_interval: Option<DataInterval>,
    /// None: now.
    pub run_after: Option<DateTime<Utc>>,
    pub conf: Map<String, Value>,
}

/// The run that comes of it.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestedRun {
    pub run_id: String,
    pub logical_date: Option<DateTime<Utc>>,
    pub data_interval: Option<DataInterval>,
    pub run_after: DateTime<Utc>,
    pub conf: Map<String, Value>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Airflow's `allowed_run_id_pattern`.
    #[error("the run id `{0}` is not valid: 1 to {MAXIMUM_ID_LENGTH} of letters, digits and `_.~:+-` are")]
    RunId(String),
    #[error("A {asked} Dag run cannot use ID '{run_id}' since it is reserved for {named} runs")]
    ReservedRunId { run_id: String, asked: RunType, named: RunType },
    /// Pointers begin in `conf`.
    #[error("{0}")]
    Conf(Faults),
    #[error(transparent)]
    Timetable(#[from] TimetableError),
}

/// `distinct` makes the names of two runs of one moment differ.
///
/// # Errors
/// What does not fit the DAG, or a name that another type of run has.
pub fn requested_run(
    dag: &Dag,
    run_type: RunType,
    request: RunRequest,
    distinct: &str,
    now: DateTime<Utc>,
) -> Result<RequestedRun, RequestError> {
    let RunRequest { run_id, logical_date, data_interval, run_after, conf } = request;
    let run_after = run_after.unwrap_or(now);
    // As in Airflow: a run without a logical date covers no data.
    let data_interval = match (logical_date, data_interval) {
        (Some(_), Some(given)) => Some(given),
        (Some(logical_date), None) => Some(manual_data_interval(dag, logical_date)?),
        (None, _) => None,
    };
    params::for_run(dag, &conf).map_err(RequestError::Conf)?;
    let run_id = match run_id {
        Some(run_id) => checked(run_id, run_type)?,
        None => timetable::run_id(run_type, run_after, Some(distinct)),
    };
    Ok(RequestedRun { run_id, logical_date, data_interval, run_after, conf })
}

fn checked(run_id: String, asked: RunType) -> Result<String, RequestError> {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "_.~:+-".contains(letter);
    if run_id.is_empty() || run_id.chars().count() > MAXIMUM_ID_LENGTH || !run_id.chars().all(allowed) {
        return Err(RequestError::RunId(run_id));
    }
    let named = run_type_of(&run_id);
    if named != RunType::Manual && named != asked {
        return Err(RequestError::ReservedRunId { run_id, asked, named });
    }
    Ok(run_id)
}
