//! SQLite's values and ours.

use airlock_sandbox::capability::sql::{SqlColumn, SqlError, SqlValue};
use rusqlite::Statement;
use rusqlite::types::{ToSql, ToSqlOutput, Value, ValueRef};

use crate::sql::session::Row;

/// A parameter: what SQLite has no type for goes as its text.
pub(super) struct Parameter(pub SqlValue);

impl ToSql for Parameter {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match &self.0 {
            SqlValue::Null => ToSqlOutput::Owned(Value::Null),
            SqlValue::Boolean(flag) => ToSqlOutput::Owned(Value::Integer((*flag).into())),
            SqlValue::Integer(number) => ToSqlOutput::Owned(Value::Integer(*number)),
            SqlValue::Float(number) => ToSqlOutput::Owned(Value::Real(*number)),
            SqlValue::Bytes(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
            SqlValue::Decimal(text)
            | SqlValue::Text(text)
            | SqlValue::Timestamp(text)
            | SqlValue::Date(text)
            | SqlValue::Time(text)
            | SqlValue::Datetime(text)
            | SqlValue::Json(text)
            | SqlValue::Uuid(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        })
    }
}

/// The type is the declared one, which a column that is computed has not.
pub(super) fn columns(statement: &Statement<'_>) -> Vec<SqlColumn> {
    let columns = statement.columns();
    columns
        .iter()
        .map(|column| SqlColumn {
            name: column.name().to_owned(),
            type_name: column.decl_type().unwrap_or_default().to_lowercase(),
        })
        .collect()
}

/// The values as they are stored; an integer in a column declared as boolean is one.
pub(super) fn row(row: &rusqlite::Row<'_>, columns: &[SqlColumn]) -> Result<Row, SqlError> {
    let values = columns.iter().enumerate().map(|(index, column)| {
        let value = row.get_ref(index).map_err(|error| SqlError::Other(error.to_string()))?;
        Ok(match value {
            ValueRef::Null => SqlValue::Null,
            ValueRef::Integer(number @ (0 | 1)) if column.type_name.starts_with("bool") => {
                SqlValue::Boolean(number == 1)
            }
            ValueRef::Integer(number) => SqlValue::Integer(number),
            ValueRef::Real(number) => SqlValue::Float(number),
            ValueRef::Blob(bytes) => SqlValue::Bytes(bytes.to_vec()),
            ValueRef::Text(bytes) => SqlValue::Text(String::from_utf8(bytes.to_vec()).map_err(|_| {
                SqlError::UnsupportedType(format!(
                    "column `{name}` has a text that is not UTF-8; select it as bytes: `cast({name} as blob)`",
                    name = column.name
                ))
            })?),
        })
    });
    values.collect()
}
