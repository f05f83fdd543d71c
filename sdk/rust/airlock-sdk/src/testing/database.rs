//! SQL statements, answered by a function of the test.

use std::sync::Arc;

use super::shared::Shared;
use crate::sql::{Dialect, SqlError, SqlValue};

type Handler = Box<dyn FnMut(&str, &[SqlValue]) -> Result<Table, SqlError> + Send>;

pub(super) struct Database {
    pub dialect: Dialect,
    handler: Shared<Handler>,
    statements: Shared<Vec<String>>,
}

/// What a database answers to a statement.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// The names of the columns.
    pub columns: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<SqlValue>>,
    /// How many rows were changed.
    pub changed: u64,
}

impl super::Host {
    /// Answers the statements that come by a connection, `BEGIN`, `COMMIT` and `ROLLBACK` among them, by a function.
    #[must_use]
    pub fn with_sql(
        self,
        conn_id: &str,
        dialect: Dialect,
        handler: impl FnMut(&str, &[SqlValue]) -> Result<Table, SqlError> + Send + 'static,
    ) -> Self {
        let database = Database { dialect, handler: Shared::new(Box::new(handler)), statements: Shared::default() };
        self.0.databases.lock().insert(conn_id.into(), Arc::new(database));
        self
    }

    /// The statements that came by a connection, `BEGIN`, `COMMIT` and `ROLLBACK` among them.
    pub fn statements(&self, conn_id: &str) -> Vec<String> {
        let databases = self.0.databases.lock();
        databases.get(conn_id).map(|database| database.statements.lock().clone()).unwrap_or_default()
    }
}

impl Database {
    pub fn run(&self, statement: &str, parameters: &[SqlValue]) -> Result<Table, SqlError> {
        self.statements.lock().push(statement.into());
        (self.handler.lock())(statement, parameters)
    }
}
