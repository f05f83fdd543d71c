//! Where and when this try runs.

use std::time::SystemTime;

use serde_json::{Map, Value};

/// The context of one call of an operator.
#[derive(Clone, Debug, PartialEq)]
pub struct Context {
    /// The tenant's name.
    pub tenant: String,
    /// The DAG's id.
    pub dag_id: String,
    /// The version of the DAG that this run is pinned to, from 1.
    pub dag_version: u32,
    /// The DAG run's id.
    pub run_id: String,
    /// `scheduled`, `manual`, `backfill`, `asset_triggered` ...
    pub run_type: String,
    /// None for runs without one.
    pub logical_date: Option<SystemTime>,
    /// The data interval of the run: its start, and the end that is no longer part of it.
    pub data_interval: Option<(SystemTime, SystemTime)>,
    /// The earliest moment at which the run may start.
    pub run_after: SystemTime,
    /// When the DAG's timetable has the run after this one: until then this is the newest. None for runs that no timetable or
    /// backfill made, and for the last one.
    pub next_run_after: Option<SystemTime>,
    /// The task's id.
    pub task_id: String,
    /// -1 for a task that is not mapped.
    pub map_index: i32,
    /// From 1.
    pub try_number: u32,
    /// The highest try number that this task may reach.
    pub max_tries: u32,
    /// When the first call of this try began: a sensor measures its patience from here.
    pub first_started_at: SystemTime,
    /// The run's params.
    pub params: Map<String, Value>,
    /// The run's conf as it was sent.
    pub conf: Map<String, Value>,
    /// The same for every call of one try and different for any other: send it along where the other side can discard a
    /// repeated request.
    pub idempotency_key: String,
}

/// The context of this call.
pub fn context() -> Context {
    crate::host::context::get()
}
