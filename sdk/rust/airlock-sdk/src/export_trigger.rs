//! Triggers as the contract writes them.

use std::time::Duration;

use serde_json::Value;

use crate::trigger::{KeyMatching, RunSelector, SqlCondition, StatusSet, Trigger};
use crate::wasm::bindings::exports::airlock::operator::task as wit;
use crate::wasm::instant;

pub fn to_wit(trigger: Trigger) -> wit::Trigger {
    match trigger {
        Trigger::At(moment) => wit::Trigger::At(instant::to_wit(moment)),
        Trigger::After(time) => wit::Trigger::After(milliseconds(time)),
        Trigger::Http(http) => wit::Trigger::Http(wit::HttpTrigger {
            conn_id: http.conn_id,
            method: http.method,
            url: http.url,
            headers: http.headers,
            body: http.body,
            statuses: match http.statuses {
                StatusSet::OneOf(statuses) => wit::StatusSet::OneOf(statuses),
                StatusSet::NoneOf(statuses) => wit::StatusSet::NoneOf(statuses),
            },
            expect: http.expect.map(|expect| wit::JsonCondition {
                pointer: expect.pointer,
                one_of: expect.one_of.iter().map(Value::to_string).collect(),
            }),
            poll_ms: http.poll.map(milliseconds),
        }),
        Trigger::Objects(objects) => wit::Trigger::Objects(wit::ObjectsTrigger {
            conn_id: objects.conn_id,
            bucket: objects.bucket,
            keys: objects.keys,
            matching: match objects.matching {
                KeyMatching::Exact => wit::KeyMatching::Exact,
                KeyMatching::Prefix => wit::KeyMatching::Prefix,
                KeyMatching::Wildcard => wit::KeyMatching::Wildcard,
                KeyMatching::Regex => wit::KeyMatching::Regex,
            },
            poll_ms: objects.poll.map(milliseconds),
        }),
        Trigger::Sql(sql) => wit::Trigger::Sql(wit::SqlTrigger {
            conn_id: sql.conn_id,
            statement: sql.statement,
            parameters: sql.parameters.iter().map(Value::to_string).collect(),
            until: match sql.until {
                SqlCondition::AnyRow => wit::SqlCondition::AnyRow,
                SqlCondition::FirstValue => wit::SqlCondition::FirstValue,
            },
            poll_ms: sql.poll.map(milliseconds),
        }),
        Trigger::DagRun(of) => {
            wit::Trigger::DagRun(wit::DagRunTrigger { dag_id: of.dag_id, run: selector(of.run), states: of.states })
        }
        Trigger::Tasks(of) => wit::Trigger::Tasks(wit::TasksTrigger {
            dag_id: of.dag_id,
            run: selector(of.run),
            task_ids: of.task_ids,
            all_in: of.all_in,
            any_in: of.any_in,
        }),
        Trigger::PostedEvent(name) => wit::Trigger::PostedEvent(name),
    }
}

fn selector(run: RunSelector) -> wit::RunSelector {
    match run {
        RunSelector::RunId(run_id) => wit::RunSelector::RunId(run_id),
        RunSelector::LogicalDate(date) => wit::RunSelector::LogicalDate(instant::to_wit(date)),
    }
}

pub fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
