//! Batches as JSON. A batch of any size is one statement with one argument, which the database takes apart (`json_each`,
//! `json_to_recordset`): far fewer round trips than a statement for each row, and one text for the caches of prepared
//! statements, which a list of `VALUES` would not be. Instants are microseconds, ids are hexadecimal, and JSON inside is text.

use std::borrow::Cow;

use airlock_core::callback::CallbackEvent;
use airlock_core::id::{RunKey, TenantId};
use airlock_core::state::{RunState, TaskState};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::storable;
use crate::callbacks::NewCallback;
use crate::driving::{Admission, Move, NewInstance, NewTrigger, RunChange};
use crate::queue::TryReport;

/// A batch as one argument.
///
/// # Errors
///
/// None in practice: these rows can always be written as JSON.
pub fn to_json<T: Serialize>(rows: impl IntoIterator<Item = T>) -> serde_json::Result<String> {
    serde_json::to_string(&rows.into_iter().collect::<Vec<_>>())
}

/// Rows by their tenant and instance: `[[tenant, "instance"], ...]`.
pub fn instance_names(rows: impl IntoIterator<Item = (TenantId, Uuid)>) -> String {
    rows.into_iter()
        .map(|(tenant, instance)| serde_json::json!([tenant.0, hex(instance)]))
        .collect::<Value>()
        .to_string()
}

/// Runs by their tenant and key: `[[tenant, key], ...]`.
pub fn run_names(keys: &[RunKey]) -> String {
    keys.iter().map(|key| Value::from(vec![key.tenant.0, key.id])).collect::<Value>().to_string()
}

/// Microseconds since 1970.
fn micros(instant: DateTime<Utc>) -> i64 {
    instant.timestamp_micros()
}

fn optional_micros(instant: Option<DateTime<Utc>>) -> Option<i64> {
    instant.map(micros)
}

/// As both databases read it.
fn hex(id: Uuid) -> String {
    id.simple().to_string()
}

#[derive(Serialize)]
pub struct CreateJson<'a> {
    tenant: i64,
    run: i64,
    instance: String,
    task: &'a str,
    map_index: i32,
    state: Option<TaskState>,
    max_tries: u32,
    operator: &'a str,
    pool: &'a str,
    pool_slots: u32,
    queue: &'a str,
    priority_weight: i64,
    scheduled_at: Option<i64>,
}

impl<'a> CreateJson<'a> {
    pub fn new(run: RunKey, new: &'a NewInstance) -> Self {
        Self {
            tenant: run.tenant.0,
            run: run.id,
            instance: hex(new.id),
            task: &new.task_id,
            map_index: new.map_index,
            state: new.state,
            max_tries: new.max_tries,
            operator: &new.operator,
            pool: &new.pool,
            pool_slots: new.pool_slots,
            queue: &new.queue,
            priority_weight: new.priority_weight,
            scheduled_at: optional_micros(new.scheduled_at),
        }
    }
}

/// An instance by its names.
#[derive(Serialize)]
pub struct InstanceJson {
    tenant: i64,
    run: i64,
    instance: String,
}

impl InstanceJson {
    pub fn new(run: RunKey, instance: Uuid) -> Self {
        Self { tenant: run.tenant.0, run: run.id, instance: hex(instance) }
    }
}

/// A run at its epoch.
#[derive(Serialize)]
pub struct RunJson {
    tenant: i64,
    run: i64,
    epoch: i64,
}

impl RunJson {
    pub fn new(run: RunKey, epoch: i64) -> Self {
        Self { tenant: run.tenant.0, run: run.id, epoch }
    }
}

/// What changes in the row of a run.
#[derive(Serialize)]
pub struct RunChangeJson {
    tenant: i64,
    run: i64,
    epoch: i64,
    state: Option<RunState>,
    at: i64,
    dag_version: Option<u32>,
    clears: bool,
}

impl RunChangeJson {
    /// `now` stands in where the change does not say its time.
    pub fn new(run: RunKey, epoch: i64, change: &RunChange, now: DateTime<Utc>) -> Self {
        Self {
            tenant: run.tenant.0,
            run: run.id,
            epoch,
            state: change.run_state,
            at: micros(change.at.unwrap_or(now)),
            dag_version: change.dag_version,
            clears: change.clears,
        }
    }
}

#[derive(Serialize)]
pub struct MoveJson<'a> {
    tenant: i64,
    run: i64,
    instance: String,
    /// `,queued,running,`; no state is the empty name, `,,`.
    from_states: String,
    from_try: u32,
    to: Option<TaskState>,
    finished: bool,
    to_try: u32,
    max_tries: u32,
    at: i64,
    wake_at: Option<i64>,
    reschedules: u32,
    resume_state: Option<String>,
    message: Option<Cow<'a, str>>,
    #[serde(flatten)]
    settles: Option<SettlesJson<'a>>,
}

#[derive(Serialize)]
struct SettlesJson<'a> {
    token: Option<String>,
    started_at: Option<i64>,
    ended_at: i64,
    hostname: Option<&'a str>,
    final_state: Option<TaskState>,
    cause: Option<&'a str>,
    try_message: Option<Cow<'a, str>>,
    rendered_fields: Option<String>,
    /// JSON.
    skips: Option<String>,
    map_length: Option<u32>,
}

impl<'a> MoveJson<'a> {
    pub fn new(run: RunKey, one: &'a Move) -> Self {
        let names: Vec<&str> = one.from_states.iter().map(|state| state.map_or("", TaskState::as_str)).collect();
        Self {
            tenant: run.tenant.0,
            run: run.id,
            instance: hex(one.instance),
            from_states: format!(",{},", names.join(",")),
            from_try: one.from_try,
            to: one.to,
            finished: one.to.is_some_and(TaskState::is_finished),
            to_try: one.to_try,
            max_tries: one.max_tries,
            at: micros(one.at),
            wake_at: optional_micros(one.wake_at),
            reschedules: one.reschedules,
            resume_state: one.resume_state.as_ref().map(Value::to_string),
            message: one.message.as_deref().map(storable),
            settles: one.settles.as_ref().map(|settles| SettlesJson {
                token: settles.lease_token.map(hex),
                started_at: optional_micros(settles.started_at),
                ended_at: micros(settles.ended_at),
                hostname: settles.hostname.as_deref(),
                final_state: settles.final_state,
                cause: settles.cause.as_deref(),
                try_message: settles.message.as_deref().map(storable),
                rendered_fields: settles.rendered_fields.as_ref().map(Value::to_string),
                skips: (!settles.skips.is_empty()).then(|| Value::from(settles.skips.as_slice()).to_string()),
                map_length: settles.map_length,
            }),
        }
    }
}

#[derive(Serialize)]
pub struct AdmissionJson<'a> {
    tenant: i64,
    run: i64,
    instance: String,
    from_try: u32,
    to_try: u32,
    dag_id: &'a str,
    task_id: &'a str,
    map_index: i32,
    dag_version: u32,
    pool: &'a str,
    pool_slots: u32,
    queue: &'a str,
    priority: i64,
    resume: Option<String>,
    /// A list of [`CallbackJson`].
    on_execute: Option<String>,
}

impl<'a> AdmissionJson<'a> {
    /// # Errors
    ///
    /// None in practice: what a try is resumed with is JSON.
    pub fn new(admission: &'a Admission) -> serde_json::Result<Self> {
        let entry = &admission.entry;
        Ok(Self {
            tenant: admission.run.tenant.0,
            run: admission.run.id,
            instance: hex(admission.instance),
            from_try: admission.from_try,
            to_try: admission.to_try,
            dag_id: &entry.dag_id,
            task_id: &entry.task_id,
            map_index: entry.map_index,
            dag_version: entry.dag_version,
            pool: &entry.pool,
            pool_slots: entry.pool_slots,
            queue: &entry.queue,
            priority: entry.priority,
            resume: entry.resume.as_ref().map(serde_json::to_string).transpose()?,
            on_execute: match entry.on_execute.as_slice() {
                [] => None,
                due => Some(to_json(
                    due.iter()
                        .map(|new| CallbackJson::new(admission.run, None, new))
                        .collect::<serde_json::Result<Vec<_>>>()?,
                )?),
            },
        })
    }
}

/// A callback that is due.
#[derive(Serialize)]
pub struct CallbackJson<'a> {
    tenant: i64,
    run: i64,
    id: String,
    /// None: the run's.
    dag_version: Option<u32>,
    event: CallbackEvent,
    place: u32,
    instance: Option<String>,
    task_id: Option<&'a str>,
    map_index: Option<i32>,
    try_number: Option<u32>,
    max_tries: Option<u32>,
    about: String,
    queue: &'a str,
    at: i64,
}

impl<'a> CallbackJson<'a> {
    /// # Errors
    ///
    /// None in practice: what a callback is told is JSON.
    pub fn new(run: RunKey, dag_version: Option<u32>, new: &'a NewCallback) -> serde_json::Result<Self> {
        let subject = new.subject.as_ref();
        Ok(Self {
            tenant: run.tenant.0,
            run: run.id,
            id: hex(new.id),
            dag_version,
            event: new.event,
            place: new.place,
            instance: subject.map(|subject| hex(subject.instance)),
            task_id: subject.map(|subject| subject.task_id.as_str()),
            map_index: subject.map(|subject| subject.map_index),
            try_number: subject.map(|subject| subject.try_number),
            max_tries: subject.map(|subject| subject.max_tries),
            about: serde_json::to_string(&new.about)?,
            queue: &new.queue,
            at: micros(new.at),
        })
    }
}

#[derive(Serialize)]
pub struct TriggerJson {
    tenant: i64,
    run: i64,
    instance: String,
    try_number: u32,
    trigger: String,
    topic: Option<String>,
    created_at: i64,
    next_look_at: Option<i64>,
}

impl TriggerJson {
    /// # Errors
    ///
    /// None in practice: a trigger is JSON.
    pub fn new(run: RunKey, new: &NewTrigger) -> serde_json::Result<Self> {
        Ok(Self {
            tenant: run.tenant.0,
            run: run.id,
            instance: hex(new.instance),
            try_number: new.try_number,
            trigger: serde_json::to_string(&new.trigger)?,
            topic: new.trigger.topic().as_deref().map(|topic| storable(topic).into_owned()),
            created_at: micros(new.at),
            next_look_at: optional_micros(new.first_look()),
        })
    }
}

#[derive(Serialize)]
pub struct ReportJson {
    tenant: i64,
    instance: String,
    token: String,
    ended_at: i64,
    result: String,
    rendered_fields: Option<String>,
    outlet_events: Option<String>,
}

impl ReportJson {
    /// # Errors
    ///
    /// None in practice: a result is JSON.
    pub fn new(report: &TryReport) -> serde_json::Result<Self> {
        Ok(Self {
            tenant: report.run.tenant.0,
            instance: hex(report.instance),
            token: hex(report.lease_token),
            ended_at: micros(report.ended_at),
            result: serde_json::to_string(&report.result)?,
            rendered_fields: report.rendered_fields.as_ref().map(Value::to_string),
            outlet_events: match report.outlet_events.as_slice() {
                [] => None,
                said => Some(serde_json::to_string(said)?),
            },
        })
    }
}

#[derive(Serialize)]
pub struct XComJson<'a> {
    tenant: i64,
    /// The try that pushes it, so that it can be held against what is accepted.
    instance: String,
    token: String,
    run: i64,
    task: &'a str,
    map_index: i32,
    key: Cow<'a, str>,
    value: String,
    pushed_at: i64,
}

impl<'a> XComJson<'a> {
    /// What a report pushes; of two values under one key the last, as if they had come one after the other.
    pub fn of(report: &'a TryReport) -> impl Iterator<Item = Self> {
        let last = |place: usize, key: &str| !report.xcoms[place + 1..].iter().any(|(later, _)| later == key);
        report.xcoms.iter().enumerate().filter(move |(place, (key, _))| last(*place, key)).map(|(_, (key, value))| {
            Self {
                tenant: report.run.tenant.0,
                instance: hex(report.instance),
                token: hex(report.lease_token),
                run: report.run.id,
                task: &report.task_id,
                map_index: report.map_index,
                key: storable(key),
                value: value.to_string(),
                pushed_at: micros(report.ended_at),
            }
        })
    }
}
