//! A double of the host, for tests without WebAssembly.
//!
//! ```
//! use airlock_sdk::prelude::*;
//! use airlock_sdk::testing::Host;
//!
//! # #[arguments]
//! # struct Greeting { name: String }
//! /// Greets somebody.
//! #[operator(name = "greet")]
//! fn greet(greeting: Greeting) -> Result<String> {
//!     Ok(format!("Hello, {}!", greeting.name))
//! }
//!
//! # fn main() {
//! let outcome = Host::new().execute::<Operator>(json!({ "name": "Ada" }));
//! assert_eq!(outcome, Ok(Outcome::Success(Some(json!("Hello, Ada!")))));
//! # }
//! ```
//!
//! It keeps variables, connections, XComs and objects in memory, answers HTTP requests and SQL statements by functions that
//! the test gives (or, with the feature `sqlite`, by a real database in memory), and records what the operator does. Grants
//! and limits are the real host's: here everything is allowed.

mod database;
pub(crate) mod host;
mod objects;
mod shared;
mod web;

#[cfg(feature = "sqlite")]
mod sqlite;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Map, Value};

use crate::assets::{Asset, AssetEvent};
use crate::connections::{Connection, Secret};
use crate::context::Context;
use crate::dag_runs::{Dag, DagRun, Request, TaskInstance};
use crate::error::Result;
use crate::log::Level;
use crate::operator::Operator;
use crate::outcome::{Event, Outcome};
use crate::xcom::{Entry, RETURN_VALUE};
use shared::Shared;

pub use database::Table;
pub use web::Answer;

/// The double. A clone is the same host, also in another thread; but the functions of this crate reach it only in the thread
/// where [`Host::run`] or [`Host::execute`] was called.
#[derive(Clone)]
pub struct Host(Arc<State>);

pub(crate) struct State {
    context: Shared<Context>,
    variables: Shared<BTreeMap<String, String>>,
    connections: Shared<BTreeMap<String, (Connection, Secret)>>,
    /// What other tasks left, by key.
    xcoms: Shared<Vec<(String, Entry)>>,
    pushed: Shared<BTreeMap<String, Value>>,
    logs: Shared<Vec<Record>>,
    web: web::Web,
    stores: objects::Stores,
    databases: Shared<BTreeMap<String, Arc<database::Database>>>,
    dags: Shared<BTreeMap<String, Dag>>,
    dag_runs: Shared<Vec<(DagRun, Vec<TaskInstance>)>>,
    triggered: Shared<Vec<Request>>,
    said: Shared<Vec<Said>>,
    inlets: Shared<BTreeMap<String, Vec<AssetEvent>>>,
}

/// What an operator has said of an event of an asset.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// The extra of the event of an outlet.
    Extra {
        /// The outlet, as the operator named it.
        outlet: String,
        /// The extra.
        extra: Map<String, Value>,
    },
    /// An event of an asset that an alias stands for.
    ByAlias {
        /// The alias.
        alias: String,
        /// The asset.
        asset: Asset,
        /// The extra of the event.
        extra: Map<String, Value>,
    },
}

/// One record of the task's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// How grave it is.
    pub level: Level,
    /// The text.
    pub message: String,
    /// Named values beside the text.
    pub fields: Vec<(String, String)>,
}

thread_local! {
    /// The host that the functions of this crate reach. Tests run in threads of their own, so each has its own.
    static CURRENT: RefCell<Option<Arc<State>>> = const { RefCell::new(None) };
}

impl Default for Host {
    fn default() -> Self {
        Self::new()
    }
}

impl Host {
    /// A host with nothing in it, and the context of a first try.
    pub fn new() -> Self {
        Self(Arc::new(State {
            context: Shared::new(first_try()),
            variables: Shared::default(),
            connections: Shared::default(),
            xcoms: Shared::default(),
            pushed: Shared::default(),
            logs: Shared::default(),
            web: web::Web::default(),
            stores: objects::Stores::default(),
            databases: Shared::default(),
            dags: Shared::default(),
            dag_runs: Shared::default(),
            triggered: Shared::default(),
            said: Shared::default(),
            inlets: Shared::default(),
        }))
    }

    /// Changes the context of the try.
    #[must_use]
    pub fn with_context(self, change: impl FnOnce(&mut Context)) -> Self {
        change(&mut self.0.context.lock());
        self
    }

    /// Adds a variable.
    #[must_use]
    pub fn with_variable(self, key: &str, value: &str) -> Self {
        self.0.variables.lock().insert(key.into(), value.into());
        self
    }

    /// Adds a connection without secrets.
    #[must_use]
    pub fn with_connection(self, connection: Connection) -> Self {
        let secret = Secret { password: None, extra: connection.extra.clone() };
        self.with_secret_connection(connection, secret)
    }

    /// Adds a connection and its secrets.
    #[must_use]
    pub fn with_secret_connection(self, connection: Connection, secret: Secret) -> Self {
        self.0.connections.lock().insert(connection.conn_id.clone(), (connection, secret));
        self
    }

    /// Adds the result of another task, one that is not mapped.
    #[must_use]
    pub fn with_result(self, task_id: &str, value: Value) -> Self {
        self.with_xcom(RETURN_VALUE, Entry { task_id: task_id.into(), map_index: -1, value })
    }

    /// Adds what another task left under a key.
    #[must_use]
    pub fn with_xcom(self, key: &str, entry: Entry) -> Self {
        self.0.xcoms.lock().push((key.into(), entry));
        self
    }

    /// Adds a DAG that the operator can look at and trigger.
    #[must_use]
    pub fn with_dag(self, dag: Dag) -> Self {
        self.0.dags.lock().insert(dag.dag_id.clone(), dag);
        self
    }

    /// Adds a run with its task instances.
    #[must_use]
    pub fn with_dag_run(self, run: DagRun, instances: Vec<TaskInstance>) -> Self {
        self.0.dag_runs.lock().push((run, instances));
        self
    }

    /// Gives the task an inlet, by the name that the operator uses for it, with events that have happened to it.
    #[must_use]
    pub fn with_inlet(self, inlet: &str, events: impl IntoIterator<Item = AssetEvent>) -> Self {
        self.0.inlets.lock().entry(inlet.into()).or_default().extend(events);
        self
    }

    /// What the operator has said of events of assets. The real host forgets it where the task does not end in success.
    pub fn said(&self) -> Vec<Said> {
        self.0.said.lock().clone()
    }

    /// Changes what has become of a run that is there.
    pub fn change_dag_run(&self, dag_id: &str, run_id: &str, change: impl FnOnce(&mut DagRun)) {
        let mut runs = self.0.dag_runs.lock();
        let run = runs.iter_mut().map(|(run, _)| run).find(|run| run.dag_id == dag_id && run.run_id == run_id);
        run.map(change);
    }

    /// The runs that the operator has asked for.
    pub fn triggered(&self) -> Vec<Request> {
        self.0.triggered.lock().clone()
    }

    /// Runs an operator once, as the host would: with the JSON text of its arguments.
    ///
    /// # Errors
    /// If the operator fails.
    pub fn execute<O: Operator>(&self, arguments: Value) -> Result<Outcome> {
        self.run(|| O::execute(&arguments.to_string()))
    }

    /// Goes on with an operator after a deferral.
    ///
    /// # Errors
    /// If the operator fails.
    pub fn resume<O: Operator>(&self, state: Value, event: Event) -> Result<Outcome> {
        self.run(|| O::resume(&state.to_string(), event))
    }

    /// Calls anything with this host in place.
    pub fn run<T>(&self, work: impl FnOnce() -> T) -> T {
        let _restore = Restore(CURRENT.replace(Some(self.0.clone())));
        work()
    }

    /// What was logged.
    pub fn logs(&self) -> Vec<Record> {
        self.0.logs.lock().clone()
    }

    /// The texts of what was logged.
    pub fn messages(&self) -> Vec<String> {
        self.0.logs.lock().iter().map(|record| record.message.clone()).collect()
    }

    /// What the operator pushed under a key. Its result is not here: it is the outcome.
    pub fn pushed(&self, key: &str) -> Option<Value> {
        self.0.pushed.lock().get(key).cloned()
    }

    /// The value of a variable now.
    pub fn variable(&self, key: &str) -> Option<String> {
        self.0.variables.lock().get(key).cloned()
    }
}

/// Puts back the host that was there before, also when a test fails.
struct Restore(Option<Arc<State>>);

impl Drop for Restore {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

/// The host of the running test.
#[expect(clippy::expect_used, reason = "a test that forgot its host is told so")]
pub(crate) fn current() -> Arc<State> {
    CURRENT
        .with_borrow(Clone::clone)
        .expect("there is no host here: call the operator by `airlock_sdk::testing::Host::execute` or in `Host::run`")
}

/// 2026-01-31T00:00:00Z: fixed, so that tests say the same every day.
const LOGICAL_DATE: Duration = Duration::from_secs(1_769_817_600);

fn first_try() -> Context {
    let logical_date = UNIX_EPOCH + LOGICAL_DATE;
    Context {
        tenant: "default".into(),
        dag_id: "test".into(),
        dag_version: 1,
        run_id: "manual__2026-01-31T00:00:00+00:00".into(),
        run_type: "manual".into(),
        logical_date: Some(logical_date),
        data_interval: Some((logical_date, logical_date)),
        run_after: logical_date,
        next_run_after: None,
        task_id: "task".into(),
        map_index: -1,
        try_number: 1,
        max_tries: 1,
        first_started_at: logical_date,
        params: Map::new(),
        conf: Map::new(),
        idempotency_key: "test-key-1".into(),
    }
}
