//! What the tests have in common.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use airlock_core::id::TenantId;
use airlock_core::limits::{Egress, Grants};
use airlock_hooks::{Hooks, Options};
use airlock_sandbox::capability::Caller;
use airlock_sandbox::capability::sql::{SqlError, SqlHook, SqlSession, SqlValue};
use airlock_sandbox::capability::task::{Connection, ConnectionInfo, ConnectionSource, TaskServiceError};
use airlock_sandbox::egress::{Gate, Resolver};
use async_trait::async_trait;
use serde_json::{Map, Value};
use url::Url;

/// Connections as a store would have them.
#[derive(Default)]
pub struct Connections(Mutex<HashMap<String, Connection>>);

impl Connections {
    pub fn put(&self, connection: Connection) {
        self.0.lock().unwrap().insert(connection.info.conn_id.clone(), connection);
    }
}

#[async_trait]
impl ConnectionSource for Connections {
    async fn connection(&self, _: TenantId, conn_id: &str) -> Result<Connection, TaskServiceError> {
        let found = self.0.lock().unwrap().get(conn_id).cloned();
        found.ok_or_else(|| TaskServiceError::NotFound(format!("there is no connection `{conn_id}`")))
    }
}

/// A connection named `test`, all of whose `extra` is secret.
pub fn connection(conn_type: &str) -> Connection {
    Connection {
        info: ConnectionInfo {
            conn_id: "test".to_owned(),
            conn_type: conn_type.to_owned(),
            description: None,
            host: None,
            login: None,
            schema: None,
            port: None,
            extra: Map::new(),
        },
        password: None,
        extra: Map::new(),
    }
}

/// A connection to what a URL names.
pub fn connection_to(conn_type: &str, url: &str) -> Connection {
    let url = Url::parse(url).unwrap();
    let mut connection = connection(conn_type);
    connection.info.host = url.host_str().map(str::to_owned);
    connection.info.port = url.port();
    connection.info.login = Some(url.username().to_owned());
    connection.password = url.password().map(str::to_owned);
    connection.info.schema = Some(url.path().trim_start_matches('/').to_owned());
    connection
}

pub fn with_extra(mut connection: Connection, extra: Value) -> Connection {
    let Value::Object(extra) = extra else { panic!("extra is an object") };
    connection.extra = extra;
    connection
}

/// Hooks that know one connection, named `test`.
pub fn hooks(connection: Connection) -> Hooks {
    hooks_with(connection, Options::default())
}

pub fn hooks_with(connection: Connection, options: Options) -> Hooks {
    let connections = Connections::default();
    connections.put(connection);
    Hooks::new(Arc::new(connections), options)
}

/// Hooks for which every name stands for these addresses.
pub fn hooks_with_names(connection: Connection, addresses: &[&str]) -> Hooks {
    struct Names(Vec<IpAddr>);

    #[async_trait]
    impl Resolver for Names {
        async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
            Ok(self.0.clone())
        }
    }

    let connections = Connections::default();
    connections.put(connection);
    let names = Names(addresses.iter().map(|address| address.parse().unwrap()).collect());
    Hooks::with_gate(Arc::new(connections), Options::default(), Gate::new(Arc::new(names)))
}

/// A caller who may do everything on this machine.
pub fn caller() -> Caller {
    Caller {
        tenant: TenantId(1),
        egress: Arc::new(Egress {
            allow_hosts: vec!["*".to_owned()],
            allow_networks: vec!["127.0.0.0/8".to_owned(), "::1/128".to_owned()],
        }),
        host_folders: Arc::new(Vec::new()),
        tenant_grants: Arc::new(Grants(["*".to_owned()].into())),
        task_grants: Arc::new(Grants(["*".to_owned()].into())),
    }
}

/// A caller who may only go where everybody may.
pub fn fenced_caller() -> Caller {
    Caller { egress: Arc::new(Egress { allow_hosts: vec!["*".to_owned()], ..Egress::default() }), ..caller() }
}

pub async fn open(hooks: &Hooks) -> Box<dyn SqlSession> {
    SqlHook::open(hooks, &caller(), "test").await.unwrap()
}

pub async fn open_error(hooks: &Hooks, caller: &Caller) -> SqlError {
    match SqlHook::open(hooks, caller, "test").await {
        Ok(_) => panic!("the session should not open"),
        Err(error) => error,
    }
}

/// All rows of a query.
pub async fn rows(session: &dyn SqlSession, statement: &str, parameters: &[SqlValue]) -> Vec<Vec<SqlValue>> {
    try_rows(session, statement, parameters).await.unwrap()
}

pub async fn try_rows(
    session: &dyn SqlSession,
    statement: &str,
    parameters: &[SqlValue],
) -> Result<Vec<Vec<SqlValue>>, SqlError> {
    let mut rows = session.query(statement.to_owned(), parameters.to_vec()).await?;
    let mut all = Vec::new();
    loop {
        let some = rows.next(1000, 1 << 20).await?;
        if some.is_empty() {
            return Ok(all);
        }
        all.extend(some);
    }
}

/// The one value of a query.
pub async fn value(session: &dyn SqlSession, statement: &str, parameters: &[SqlValue]) -> SqlValue {
    let mut rows = rows(session, statement, parameters).await;
    assert_eq!((rows.len(), rows[0].len()), (1, 1), "{statement}");
    rows.remove(0).remove(0)
}

pub async fn execute(session: &dyn SqlSession, statement: &str) -> u64 {
    session.execute(statement.to_owned(), Vec::new()).await.unwrap()
}

pub fn text(text: &str) -> SqlValue {
    SqlValue::Text(text.to_owned())
}
