//! What an operator wants to wait for, in the terms of the core.

use airlock_core::limits::Limits;
use airlock_core::outcome::{Deferral, Failure};
use airlock_core::trigger::{
    DagRunTrigger, HttpTrigger, JsonCondition, KeyMatching, ObjectsTrigger, RunSelector, SqlCondition, SqlTrigger,
    StatusSet, TasksTrigger, Trigger,
};
use serde_json::Value;

use super::report::{json, wrong};
use crate::bindings::exports::airlock::operator::task;
use crate::host::moment;

/// # Errors
///
/// Where the operator breaks the contract: a moment or a JSON text that is none, or one that is too large.
pub(super) fn deferral(deferral: task::Deferral, limits: &Limits) -> Result<Deferral, Failure> {
    Ok(Deferral {
        trigger: trigger(deferral.trigger, limits)?,
        state: json(&deferral.state, limits, "leaving its state")?,
        timeout_ms: deferral.timeout_ms,
    })
}

fn trigger(trigger: task::Trigger, limits: &Limits) -> Result<Trigger, Failure> {
    let values = |texts: Vec<String>| -> Result<Vec<Value>, Failure> {
        texts.iter().map(|text| json(text, limits, "naming its trigger")).collect()
    };
    let trigger = match trigger {
        task::Trigger::At(at) => Trigger::At { instant: instant(at)? },
        task::Trigger::After(milliseconds) => Trigger::After { milliseconds },
        task::Trigger::Http(http) => Trigger::Http(HttpTrigger {
            conn_id: http.conn_id,
            method: http.method,
            url: http.url,
            headers: http.headers,
            body: http.body,
            statuses: match http.statuses {
                task::StatusSet::OneOf(statuses) => StatusSet::OneOf(statuses),
                task::StatusSet::NoneOf(statuses) => StatusSet::NoneOf(statuses),
            },
            expect: match http.expect {
                Some(expect) => Some(JsonCondition { pointer: expect.pointer, one_of: values(expect.one_of)? }),
                None => None,
            },
            poll_ms: http.poll_ms,
        }),
        task::Trigger::Objects(objects) => Trigger::Objects(ObjectsTrigger {
            conn_id: objects.conn_id,
            bucket: objects.bucket,
            keys: objects.keys,
            matching: match objects.matching {
                task::KeyMatching::Exact => KeyMatching::Exact,
                task::KeyMatching::Prefix => KeyMatching::Prefix,
                task::KeyMatching::Wildcard => KeyMatching::Wildcard,
                task::KeyMatching::Regex => KeyMatching::Regex,
            },
            poll_ms: objects.poll_ms,
        }),
        task::Trigger::Sql(sql) => Trigger::Sql(SqlTrigger {
            conn_id: sql.conn_id,
            statement: sql.statement,
            parameters: values(sql.parameters)?,
            until: match sql.until {
                task::SqlCondition::AnyRow => SqlCondition::AnyRow,
                task::SqlCondition::FirstValue => SqlCondition::FirstValue,
            },
            poll_ms: sql.poll_ms,
        }),
        task::Trigger::DagRun(of) => {
            Trigger::DagRun(DagRunTrigger { dag_id: of.dag_id, run: selector(of.run)?, states: of.states })
        }
        task::Trigger::Tasks(of) => Trigger::Tasks(TasksTrigger {
            dag_id: of.dag_id,
            run: selector(of.run)?,
            task_ids: of.task_ids,
            all_in: of.all_in,
            any_in: of.any_in,
        }),
        task::Trigger::PostedEvent(name) => Trigger::PostedEvent { name },
    };
    within_limit(trigger, limits)
}

/// What is kept for the wait is no larger than what is kept of an XCom.
fn within_limit(trigger: Trigger, limits: &Limits) -> Result<Trigger, Failure> {
    let text = serde_json::to_string(&trigger).map_err(|error| wrong(&error.to_string()))?;
    json(&text, limits, "naming its trigger").map(|_| trigger)
}

fn selector(run: task::RunSelector) -> Result<RunSelector, Failure> {
    Ok(match run {
        task::RunSelector::RunId(run_id) => RunSelector::RunId(run_id),
        task::RunSelector::LogicalDate(date) => RunSelector::LogicalDate(instant(date)?),
    })
}

fn instant(at: crate::bindings::airlock::operator::types::Instant) -> Result<chrono::DateTime<chrono::Utc>, Failure> {
    moment(at).ok_or_else(|| wrong("the moment of `outcome.defer` is outside of the calendar"))
}
