//! A real SQLite database in memory.

use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Error, params_from_iter};

use super::{Host, Table};
use crate::sql::{Dialect, SqlError, SqlValue};

impl Host {
    /// Puts an empty SQLite database behind a connection, after running `set_up` in it.
    ///
    /// # Errors
    /// If SQLite refuses the statements.
    pub fn with_sqlite(self, conn_id: &str, set_up: &str) -> Result<Self, SqlError> {
        let connection = Connection::open_in_memory().map_err(error)?;
        connection.execute_batch(set_up).map_err(error)?;
        Ok(self.with_sql(conn_id, Dialect::Sqlite, move |statement, parameters| {
            run(&connection, statement, parameters).map_err(error)
        }))
    }
}

fn run(connection: &Connection, statement: &str, parameters: &[SqlValue]) -> Result<Table, Error> {
    let changes_before = connection.total_changes();
    let mut prepared = connection.prepare(statement)?;
    let columns: Vec<String> = prepared.column_names().map(Into::into).collect();
    let mut rows = prepared.query(params_from_iter(parameters.iter().map(to_sqlite)))?;
    let mut table = Table { columns, rows: Vec::new(), changed: 0 };
    while let Some(row) = rows.next()? {
        let values = (0..table.columns.len()).map(|index| row.get_ref(index).map(from_sqlite));
        table.rows.push(values.collect::<Result<_, _>>()?);
    }
    table.changed = connection.total_changes() - changes_before;
    Ok(table)
}

fn to_sqlite(value: &SqlValue) -> Value {
    match value {
        SqlValue::Null => Value::Null,
        SqlValue::Boolean(value) => Value::Integer((*value).into()),
        SqlValue::Integer(value) => Value::Integer(*value),
        SqlValue::Float(value) => Value::Real(*value),
        SqlValue::Bytes(value) => Value::Blob(value.clone()),
        SqlValue::Decimal(text)
        | SqlValue::Text(text)
        | SqlValue::Timestamp(text)
        | SqlValue::Date(text)
        | SqlValue::Time(text)
        | SqlValue::Datetime(text)
        | SqlValue::Json(text)
        | SqlValue::Uuid(text) => Value::Text(text.clone()),
    }
}

fn from_sqlite(value: ValueRef<'_>) -> SqlValue {
    match value {
        ValueRef::Null => SqlValue::Null,
        ValueRef::Integer(value) => SqlValue::Integer(value),
        ValueRef::Real(value) => SqlValue::Float(value),
        ValueRef::Text(text) => SqlValue::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => SqlValue::Bytes(bytes.to_vec()),
    }
}

fn error(error: Error) -> SqlError {
    let code = error.sqlite_error().map(|error| error.extended_code.to_string());
    SqlError::Database { code, message: error.to_string() }
}
