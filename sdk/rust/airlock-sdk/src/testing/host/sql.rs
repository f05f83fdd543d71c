use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use crate::sql::{Column, Dialect, SqlError, SqlValue};
use crate::testing::current;
use crate::testing::database::Database;

pub struct Session {
    database: Arc<Database>,
    in_transaction: AtomicBool,
    /// Whether rows of a query are open.
    busy: Arc<AtomicBool>,
}

impl Session {
    pub fn open(conn_id: &str) -> Result<Self, SqlError> {
        let host = current();
        let database = host.databases.lock().get(conn_id).cloned();
        match database {
            Some(database) => Ok(Self { database, in_transaction: AtomicBool::default(), busy: Arc::default() }),
            None if host.connections.lock().contains_key(conn_id) => {
                Err(SqlError::WrongType(format!("the connection `{conn_id}` is no SQL database")))
            }
            None => Err(SqlError::ConnectionNotFound(conn_id.into())),
        }
    }

    pub fn dialect(&self) -> String {
        match self.database.dialect {
            Dialect::Postgres => "postgres".into(),
            Dialect::Mysql => "mysql".into(),
            Dialect::Sqlite => "sqlite".into(),
        }
    }

    pub fn query(&self, statement: &str, parameters: &[SqlValue]) -> Result<Rows, SqlError> {
        self.check_free()?;
        let table = self.database.run(statement, parameters)?;
        self.busy.store(!table.rows.is_empty(), Relaxed);
        Ok(Rows { columns: table.columns, rows: table.rows.into_iter(), busy: self.busy.clone() })
    }

    pub fn execute(&self, statement: &str, parameters: &[SqlValue]) -> Result<u64, SqlError> {
        self.check_free()?;
        self.database.run(statement, parameters).map(|table| table.changed)
    }

    pub fn begin(&self) -> Result<(), SqlError> {
        self.check_free()?;
        self.database.run("BEGIN", &[])?;
        self.in_transaction.store(true, Relaxed);
        Ok(())
    }

    pub fn commit(&self) -> Result<(), SqlError> {
        self.end("COMMIT")
    }

    pub fn rollback(&self) -> Result<(), SqlError> {
        self.end("ROLLBACK")
    }

    fn end(&self, statement: &str) -> Result<(), SqlError> {
        self.check_free()?;
        self.in_transaction.store(false, Relaxed);
        self.database.run(statement, &[]).map(|_| ())
    }

    fn check_free(&self) -> Result<(), SqlError> {
        if self.busy.load(Relaxed) { Err(SqlError::Busy) } else { Ok(()) }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.in_transaction.load(Relaxed) {
            // As in the real host: what a session leaves open is undone. Nobody is left to hear of an error.
            let _ = self.database.run("ROLLBACK", &[]);
        }
    }
}

pub struct Rows {
    columns: Vec<String>,
    rows: std::vec::IntoIter<Vec<SqlValue>>,
    busy: Arc<AtomicBool>,
}

impl Rows {
    pub fn columns(&self) -> Vec<Column> {
        let columns = self.columns.iter();
        columns.map(|name| Column { name: name.clone(), type_name: String::new() }).collect()
    }

    pub fn next(&mut self, max: u32) -> Result<Vec<Vec<SqlValue>>, SqlError> {
        let page: Vec<_> = self.rows.by_ref().take(max as usize).collect();
        if page.is_empty() {
            self.busy.store(false, Relaxed);
        }
        Ok(page)
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        self.busy.store(false, Relaxed);
    }
}
