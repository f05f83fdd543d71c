//! What a deferred task waits for: see `trigger` in `wit/task.wit`. The functions here say what an answer of the outside means and
//! when to look next; looking itself is the worker's.

mod answer;
mod check;
mod pattern;
mod topic;
mod when;

pub use answer::Answer;
pub use check::faults;
pub use pattern::KeyPattern;
pub use topic::event_topic;
pub use when::{CHECK_TIME, Looked, SHORTEST_POLL, first_look, next_look};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::mask::MASK;

/// Something to wait for while no instance of the operator exists.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "arguments", rename_all = "snake_case")]
pub enum Trigger {
    At { instant: DateTime<Utc> },
    After { milliseconds: u64 },
    Http(HttpTrigger),
    Objects(ObjectsTrigger),
    Sql(SqlTrigger),
    DagRun(DagRunTrigger),
    Tasks(TasksTrigger),
    PostedEvent { name: String },
}

/// Fires with `{"status": 200, "body": "text, or null"}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HttpTrigger {
    pub conn_id: Option<String>,
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<String>,
    pub statuses: StatusSet,
    pub expect: Option<JsonCondition>,
    pub poll_ms: Option<u64>,
}

/// Which status codes end the wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatusSet {
    OneOf(Vec<u16>),
    NoneOf(Vec<u16>),
}

/// What the body has to say at a place; see `json-condition` in `wit/task.wit`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JsonCondition {
    /// RFC 6901; empty is the whole body.
    pub pointer: String,
    /// Empty: whatever Python takes for true.
    pub one_of: Vec<Value>,
}

/// Fires with `{"keys": [..]}` when each of the keys has an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectsTrigger {
    pub conn_id: String,
    pub bucket: Option<String>,
    pub keys: Vec<String>,
    pub matching: KeyMatching,
    pub poll_ms: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyMatching {
    Exact,
    Prefix,
    /// Python's `fnmatch`.
    Wildcard,
    /// Python's `re.match`.
    Regex,
}

/// Fires with `{"row": [..]}`, the first row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SqlTrigger {
    pub conn_id: String,
    pub statement: String,
    pub parameters: Vec<Value>,
    pub until: SqlCondition,
    pub poll_ms: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SqlCondition {
    AnyRow,
    /// The first value of the first row is what Python takes for true.
    FirstValue,
}

/// Fires with `{"run_id": "..", "state": ".."}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DagRunTrigger {
    pub dag_id: String,
    pub run: RunSelector,
    /// `success` and `failed`, or one of them.
    pub states: Vec<String>,
}

/// Fires with `{"run_id": "..", "states": {"task": {"success": 2}}}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TasksTrigger {
    pub dag_id: String,
    pub run: RunSelector,
    pub task_ids: Vec<String>,
    /// Finished states that every instance of every task has to be in.
    pub all_in: Vec<String>,
    /// Finished states of which one instance is enough.
    pub any_in: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunSelector {
    RunId(String),
    LogicalDate(DateTime<Utc>),
}

impl Trigger {
    /// The name of the kind, as in JSON.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::At { .. } => "at",
            Self::After { .. } => "after",
            Self::Http(_) => "http",
            Self::Objects(_) => "objects",
            Self::Sql(_) => "sql",
            Self::DagRun(_) => "dag_run",
            Self::Tasks(_) => "tasks",
            Self::PostedEvent { .. } => "posted_event",
        }
    }

    /// What it waits for, in words for people.
    pub fn describe(&self) -> String {
        let run = |run: &RunSelector| match run {
            RunSelector::RunId(run_id) => format!("run `{run_id}`"),
            RunSelector::LogicalDate(date) => format!("run of {}", date.to_rfc3339()),
        };
        match self {
            Self::At { instant } => format!("for {}", instant.to_rfc3339()),
            Self::After { milliseconds } => format!("for {} seconds", *milliseconds as f64 / 1e3),
            Self::Http(http) => {
                let by = http.conn_id.as_ref().map(|id| format!(" by connection `{id}`")).unwrap_or_default();
                format!("for an answer to {} {}{by}", http.method, http.url)
            }
            Self::Objects(objects) => {
                let bucket = objects.bucket.as_ref().map(|bucket| format!(" in `{bucket}`")).unwrap_or_default();
                format!("for objects at `{}`{bucket} by connection `{}`", objects.keys.join("`, `"), objects.conn_id)
            }
            Self::Sql(sql) => format!("for a row of a query by connection `{}`", sql.conn_id),
            Self::DagRun(of) => {
                format!("for the {} of the DAG `{}` to end as {}", run(&of.run), of.dag_id, of.states.join(" or "))
            }
            Self::Tasks(of) => {
                format!("for `{}` in the {} of the DAG `{}`", of.task_ids.join("`, `"), run(&of.run), of.dag_id)
            }
            Self::PostedEvent { name } => format!("for the event `{name}` to be posted"),
        }
    }

    /// Without what may be secret: the values of headers, bodies and parameters.
    #[must_use]
    pub fn without_secrets(self) -> Self {
        match self {
            Self::Http(http) => Self::Http(HttpTrigger {
                headers: http.headers.into_iter().map(|(name, _)| (name, MASK.to_owned())).collect(),
                body: http.body.map(|_| MASK.to_owned()),
                ..http
            }),
            Self::Sql(sql) => {
                Self::Sql(SqlTrigger { parameters: sql.parameters.iter().map(|_| Value::from(MASK)).collect(), ..sql })
            }
            other => other,
        }
    }

    /// The interval between two looks; none for what is never polled.
    fn poll_ms(&self) -> Option<&Option<u64>> {
        match self {
            Self::Http(http) => Some(&http.poll_ms),
            Self::Objects(objects) => Some(&objects.poll_ms),
            Self::Sql(sql) => Some(&sql.poll_ms),
            Self::At { .. } | Self::After { .. } | Self::DagRun(_) | Self::Tasks(_) | Self::PostedEvent { .. } => None,
        }
    }

    /// Fills the interval in where the operator has left it to the task.
    pub fn poll_every(&mut self, milliseconds: u64) {
        if let Self::Http(HttpTrigger { poll_ms, .. })
        | Self::Objects(ObjectsTrigger { poll_ms, .. })
        | Self::Sql(SqlTrigger { poll_ms, .. }) = self
        {
            poll_ms.get_or_insert(milliseconds);
        }
    }
}
