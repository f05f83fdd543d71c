//! What a deferred task waits for.

use std::time::{Duration, SystemTime};

use serde_json::Value;

/// Something for the host to wait for while no instance of the operator exists. What the host asks of connections, hosts and DAGs
/// for it needs the grants that the operator itself would need.
#[derive(Clone, Debug, PartialEq)]
pub enum Trigger {
    /// Until a moment has come. Fires with it, as RFC 3339.
    At(SystemTime),
    /// For a time, from now. Fires with the moment, as RFC 3339.
    After(Duration),
    /// Until a request gets the right response.
    Http(Box<HttpTrigger>),
    /// Until objects are there.
    Objects(ObjectsTrigger),
    /// Until a query answers the right row.
    Sql(SqlTrigger),
    /// Until a run has ended.
    DagRun(DagRunTrigger),
    /// Until tasks of a run have ended.
    Tasks(TasksTrigger),
    /// Until somebody posts an event of this name to the API. Fires with its payload.
    PostedEvent(String),
}

/// A request that is sent again and again. Fires with `{"status": 200, "body": "the text, or null if it is none or too large"}`.
///
/// ```
/// # use airlock_sdk::{HttpTrigger, Outcome, serde_json::json};
/// # use std::time::Duration;
/// let done = HttpTrigger::get("/jobs/17").by("warehouse").until_json("/state", ["done"]).every(Duration::from_secs(30));
/// let outcome = Outcome::defer(done, json!({ "job": 17 }));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct HttpTrigger {
    /// The connection whose base URL, headers and credentials are used.
    pub conn_id: Option<String>,
    /// `GET`, `HEAD`, `POST` ...
    pub method: String,
    /// An absolute URL, or, with a connection, a path below its base URL.
    pub url: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Option<String>,
    /// The wait goes on while the status is not among these.
    pub statuses: StatusSet,
    /// What the body has to say, for statuses below 400.
    pub expect: Option<JsonCondition>,
    /// Between two requests, at least a second; none is a sensor's `poke_interval`, and a minute for other tasks.
    pub poll: Option<Duration>,
}

/// Which status codes end a wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatusSet {
    /// Any of these.
    OneOf(Vec<u16>),
    /// Any but these.
    NoneOf(Vec<u16>),
}

/// A value at a place of a JSON body.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonCondition {
    /// A JSON Pointer, such as `/job/state`; empty is the whole body.
    pub pointer: String,
    /// The value has to be one of these. Empty: it has to be what Python takes for true.
    pub one_of: Vec<Value>,
}

/// Objects in a store. Fires when each key has at least one, with `{"keys": [..]}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectsTrigger {
    /// The connection to the store.
    pub conn_id: String,
    /// The bucket; none takes the connection's own.
    pub bucket: Option<String>,
    /// 1 to 100 keys.
    pub keys: Vec<String>,
    /// What the keys are.
    pub matching: KeyMatching,
    /// As in [`HttpTrigger::poll`].
    pub poll: Option<Duration>,
}

/// How keys name objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyMatching {
    /// A key is the object's whole key.
    Exact,
    /// A key is what the object's key begins with.
    Prefix,
    /// A key is a pattern with `*`, `?` and `[abc]`, as in Python's `fnmatch`.
    Wildcard,
    /// A key is a regular expression that holds from the start, as in Python's `re.match`.
    Regex,
}

/// A query that is sent again and again, in a transaction that is rolled back. Fires with `{"row": [..]}`, the first row.
#[derive(Clone, Debug, PartialEq)]
pub struct SqlTrigger {
    /// The connection to the database.
    pub conn_id: String,
    /// One statement that answers rows.
    pub statement: String,
    /// A string, number, boolean or null for each placeholder.
    pub parameters: Vec<Value>,
    /// What ends the wait.
    pub until: SqlCondition,
    /// As in [`HttpTrigger::poll`].
    pub poll: Option<Duration>,
}

/// What a query has to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SqlCondition {
    /// There is a row.
    AnyRow,
    /// The first value of the first row is what Python takes for true.
    FirstValue,
}

/// The end of a run. Fires when it is in one of the states, with `{"run_id": "..", "state": "success"}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DagRunTrigger {
    /// The DAG.
    pub dag_id: String,
    /// The run, which need not be there yet.
    pub run: RunSelector,
    /// `success`, `failed` or both.
    pub states: Vec<String>,
}

/// The end of tasks of a run. Fires with `{"run_id": "..", "states": {"task": {"success": 2}}}`, counts of instances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TasksTrigger {
    /// The DAG.
    pub dag_id: String,
    /// The run, which need not be there yet.
    pub run: RunSelector,
    /// 1 to 100 tasks, with their groups: `group.task`.
    pub task_ids: Vec<String>,
    /// Fires when every instance of each task is in one of these states, which are an end; empty never does.
    pub all_in: Vec<String>,
    /// Fires when one instance is in one of these states, which are an end.
    pub any_in: Vec<String>,
}

/// Which run of a DAG.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunSelector {
    /// By its id.
    RunId(String),
    /// By its logical date.
    LogicalDate(SystemTime),
}

impl HttpTrigger {
    /// Until a `GET` of this URL is answered with the status 200.
    pub fn get(url: impl Into<String>) -> Self {
        Self {
            conn_id: None,
            method: "GET".into(),
            url: url.into(),
            headers: Vec::new(),
            body: None,
            statuses: StatusSet::OneOf(vec![200]),
            expect: None,
            poll: None,
        }
    }

    /// By a connection; the URL is a path below its base URL then.
    #[must_use]
    pub fn by(self, conn_id: impl Into<String>) -> Self {
        Self { conn_id: Some(conn_id.into()), ..self }
    }

    /// Until the status is one of these.
    #[must_use]
    pub fn until_status(self, statuses: impl Into<Vec<u16>>) -> Self {
        Self { statuses: StatusSet::OneOf(statuses.into()), ..self }
    }

    /// Until there is one of these values at this place of the body; none at all is any that Python takes for true.
    #[must_use]
    pub fn until_json<V: Into<Value>>(self, pointer: impl Into<String>, one_of: impl IntoIterator<Item = V>) -> Self {
        let one_of = one_of.into_iter().map(Into::into).collect();
        Self { expect: Some(JsonCondition { pointer: pointer.into(), one_of }), ..self }
    }

    /// With this long between two requests.
    #[must_use]
    pub fn every(self, poll: Duration) -> Self {
        Self { poll: Some(poll), ..self }
    }
}

impl ObjectsTrigger {
    /// Until there is an object of exactly this key in the connection's own bucket.
    pub fn key(conn_id: impl Into<String>, key: impl Into<String>) -> Self {
        let keys = vec![key.into()];
        Self { conn_id: conn_id.into(), bucket: None, keys, matching: KeyMatching::Exact, poll: None }
    }

    /// In this bucket.
    #[must_use]
    pub fn bucket(self, bucket: impl Into<String>) -> Self {
        Self { bucket: Some(bucket.into()), ..self }
    }

    /// With keys of this kind.
    #[must_use]
    pub fn matching(self, matching: KeyMatching) -> Self {
        Self { matching, ..self }
    }

    /// With this long between two looks.
    #[must_use]
    pub fn every(self, poll: Duration) -> Self {
        Self { poll: Some(poll), ..self }
    }
}

impl SqlTrigger {
    /// Until this statement answers a row whose first value is true.
    pub fn query(conn_id: impl Into<String>, statement: impl Into<String>) -> Self {
        Self {
            conn_id: conn_id.into(),
            statement: statement.into(),
            parameters: Vec::new(),
            until: SqlCondition::FirstValue,
            poll: None,
        }
    }

    /// Until there is any row.
    #[must_use]
    pub fn any_row(self) -> Self {
        Self { until: SqlCondition::AnyRow, ..self }
    }

    /// With a value for the next placeholder.
    #[must_use]
    pub fn bind(mut self, value: impl Into<Value>) -> Self {
        self.parameters.push(value.into());
        self
    }

    /// With this long between two queries.
    #[must_use]
    pub fn every(self, poll: Duration) -> Self {
        Self { poll: Some(poll), ..self }
    }
}

impl DagRunTrigger {
    /// Until this run has ended, well or badly.
    pub fn ended(dag_id: impl Into<String>, run: RunSelector) -> Self {
        Self { dag_id: dag_id.into(), run, states: vec!["success".into(), "failed".into()] }
    }
}

impl TasksTrigger {
    /// Until every instance of these tasks has succeeded, or one has failed.
    pub fn ended(dag_id: impl Into<String>, run: RunSelector, task_ids: impl Into<Vec<String>>) -> Self {
        Self {
            dag_id: dag_id.into(),
            run,
            task_ids: task_ids.into(),
            all_in: vec!["success".into()],
            any_in: vec!["failed".into(), "upstream_failed".into()],
        }
    }
}

/// A trigger of each kind is a trigger.
macro_rules! triggers {
    ($($kind:ident($trigger:ident)),*) => {
        $(impl From<$trigger> for Trigger {
            fn from(trigger: $trigger) -> Self {
                Self::$kind(trigger)
            }
        })*
    };
}

impl From<HttpTrigger> for Trigger {
    fn from(trigger: HttpTrigger) -> Self {
        Self::Http(Box::new(trigger))
    }
}

triggers!(Objects(ObjectsTrigger), Sql(SqlTrigger), DagRun(DagRunTrigger), Tasks(TasksTrigger));
