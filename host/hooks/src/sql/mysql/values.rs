//! MySQL's values and ours. The server converts what a statement gives it, so that a text may stand for a date.

use airlock_sandbox::capability::sql::{SqlError, SqlValue};
use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use sqlx::mysql::types::MySqlTime;
use sqlx::mysql::{MySqlArguments, MySqlRow};
use sqlx::{Arguments, Column, MySql, Row as _, Type, TypeInfo, ValueRef};

use crate::sql::session::Row;
use crate::sql::text;

pub(super) fn arguments(parameters: &[SqlValue]) -> Result<MySqlArguments, SqlError> {
    let mut arguments = MySqlArguments::default();
    for (index, value) in parameters.iter().enumerate() {
        let invalid = |what: &str| SqlError::UnsupportedType(format!("parameter {}: the text is no {what}", index + 1));
        let added = match value {
            SqlValue::Null => arguments.add(None::<String>),
            SqlValue::Boolean(flag) => arguments.add(*flag),
            SqlValue::Integer(number) => arguments.add(*number),
            SqlValue::Float(number) => arguments.add(*number),
            SqlValue::Bytes(bytes) => arguments.add(bytes),
            // The session's zone is UTC, and the server's own text of a moment has no zone.
            SqlValue::Timestamp(text) => {
                arguments.add(text::parse_timestamp(text).ok_or_else(|| invalid("timestamp"))?.naive_utc())
            }
            SqlValue::Datetime(text) => arguments.add(text::parse_datetime(text).ok_or_else(|| invalid("datetime"))?),
            SqlValue::Decimal(text)
            | SqlValue::Text(text)
            | SqlValue::Date(text)
            | SqlValue::Time(text)
            | SqlValue::Json(text)
            | SqlValue::Uuid(text) => arguments.add(text),
        };
        added.map_err(|error| SqlError::UnsupportedType(format!("parameter {}: {error}", index + 1)))?;
    }
    Ok(arguments)
}

pub(super) fn decode(row: &MySqlRow) -> Result<Row, SqlError> {
    row.columns()
        .iter()
        .map(|column| {
            value(row, column.ordinal()).map_err(|reason| {
                let type_name = column.type_info().name().to_lowercase();
                SqlError::UnsupportedType(format!(
                    "column `{name}` has a value of the type {type_name} that cannot be carried{reason}; \
                     select it as a text: `cast({name} as char)`",
                    name = column.name(),
                ))
            })
        })
        .collect()
}

/// The error is what the driver says of the value, if anything.
fn value(row: &MySqlRow, index: usize) -> Result<SqlValue, String> {
    let raw = row.try_get_raw(index).map_err(|error| format!(": {error}"))?;
    if raw.is_null() {
        return Ok(SqlValue::Null);
    }
    let type_info = raw.type_info().into_owned();
    Ok(match type_info.name() {
        // A number of one digit, which need not be 0 or 1.
        "BOOLEAN" => match get::<i8>(row, index)? {
            0 => SqlValue::Boolean(false),
            1 => SqlValue::Boolean(true),
            other => SqlValue::Integer(other.into()),
        },
        "TINYINT" | "SMALLINT" | "MEDIUMINT" | "INT" | "BIGINT" => SqlValue::Integer(get(row, index)?),
        "TINYINT UNSIGNED" | "SMALLINT UNSIGNED" | "MEDIUMINT UNSIGNED" | "INT UNSIGNED" | "BIGINT UNSIGNED"
        | "YEAR" | "BIT" => {
            let number: u64 = get(row, index)?;
            i64::try_from(number).map_or_else(|_| SqlValue::Decimal(number.to_string()), SqlValue::Integer)
        }
        "FLOAT" => SqlValue::Float(text::widen(get(row, index)?)),
        "DOUBLE" => SqlValue::Float(get(row, index)?),
        "DECIMAL" => SqlValue::Decimal(get(row, index)?),
        "CHAR" | "VARCHAR" | "TINYTEXT" | "TEXT" | "MEDIUMTEXT" | "LONGTEXT" | "ENUM" | "SET" => {
            SqlValue::Text(get(row, index)?)
        }
        // The driver goes by a flag that texts with a binary collation have too, such as MariaDB's JSON: the collation says more.
        "BINARY" | "VARBINARY" | "TINYBLOB" | "BLOB" | "MEDIUMBLOB" | "LONGBLOB"
            if <str as Type<MySql>>::compatible(&type_info) =>
        {
            SqlValue::Text(get(row, index)?)
        }
        "BINARY" | "VARBINARY" | "TINYBLOB" | "BLOB" | "MEDIUMBLOB" | "LONGBLOB" => SqlValue::Bytes(get(row, index)?),
        "DATE" => SqlValue::Date(text::date(get::<NaiveDate>(row, index)?)),
        "DATETIME" => SqlValue::Datetime(text::datetime(get::<NaiveDateTime>(row, index)?)),
        "TIMESTAMP" => SqlValue::Timestamp(text::timestamp(get::<DateTime<Utc>>(row, index)?)),
        // Between -838:59:59 and 838:59:59: not always a time of day.
        "TIME" => SqlValue::Time(get::<MySqlTime>(row, index)?.to_string()),
        "JSON" => SqlValue::Json(get(row, index)?),
        _ => return Err(String::new()),
    })
}

/// Unchecked, for the type has been looked at: the driver knows fewer ways to read a column than there are.
fn get<'r, T: sqlx::Decode<'r, MySql>>(row: &'r MySqlRow, index: usize) -> Result<T, String> {
    row.try_get_unchecked(index).map_err(|error| match error {
        sqlx::Error::ColumnDecode { source, .. } => format!(" ({source})"),
        other => format!(" ({other})"),
    })
}
