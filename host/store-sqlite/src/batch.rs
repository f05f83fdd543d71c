//! Batches as JSON. A batch of any size is one statement with one argument, which SQLite takes apart by `json_each`: far fewer
//! round trips than a statement for each row, and one text for its cache of prepared statements, which a list of `VALUES`
//! would not be.

use std::borrow::Cow;

use airlock_core::id::RunKey;
use airlock_core::state::TaskState;
use airlock_store::driving::{Admission, Move, NewInstance};
use airlock_store::support::storable;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::error::Result;
use crate::row::{micros, optional_micros};

pub fn to_json<T: Serialize>(rows: impl IntoIterator<Item = T>) -> Result<String> {
    Ok(serde_json::to_string(&rows.into_iter().collect::<Vec<_>>())?)
}

/// As `unhex` reads it.
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
    message: Option<Cow<'a, str>>,
    rendered_fields: Option<String>,
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
                message: settles.message.as_deref().map(storable),
                rendered_fields: settles.rendered_fields.as_ref().map(Value::to_string),
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
}

impl<'a> AdmissionJson<'a> {
    pub fn new(admission: &'a Admission) -> Result<Self> {
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
        })
    }
}
