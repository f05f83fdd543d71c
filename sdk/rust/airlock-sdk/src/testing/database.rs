//! SQL statements, answered by a function of the test.

use std::cell::RefCell;
use std::rc::Rc;

use crate::sql::{Dialect, SqlError, SqlValue};

type Handler = Box<dyn FnMut(&str, &[SqlValue]) -> Result<Table, SqlError>>;

pub(super) struct Database {
    pub dialect: Dialect,
    handler: RefCell<Handler>,
    statements: RefCell<Vec<String>>,
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
        handler: impl FnMut(&str, &[SqlValue]) -> Result<Table, SqlError> + 'static,
    ) -> Self {
        let handler: RefCell<Handler> = RefCell::new(Box::new(handler));
        let database = Database { dialect, handler, statements: RefCell::default() };
        self.0.databases.borrow_mut().insert(conn_id.into(), Rc::new(database));
        self
    }

    /// The statements that came by a connection, `BEGIN`, `COMMIT` and `ROLLBACK` among them.
    pub fn statements(&self, conn_id: &str) -> Vec<String> {
        let databases = self.0.databases.borrow();
        databases.get(conn_id).map(|database| database.statements.borrow().clone()).unwrap_or_default()
    }
}

impl Database {
    pub fn run(&self, statement: &str, parameters: &[SqlValue]) -> Result<Table, SqlError> {
        self.statements.borrow_mut().push(statement.into());
        (self.handler.borrow_mut())(statement, parameters)
    }
}
