//! Airflow's `SqlSensor`.

use airlock_sdk::SqlTrigger;
use airlock_sdk::prelude::*;
use airlock_sdk::serde::Serialize;
use airlock_sdk::sql::{Session, SqlValue};

/// What to wait for.
#[arguments]
#[derive(Serialize)]
struct SqlSensor {
    /// The connection, of type `postgres`, `mysql` or `sqlite`.
    conn_id: String,
    /// One statement that gives rows.
    sql: String,
    /// Values for the statement's placeholders (`$1` in PostgreSQL, `?` in the others): texts, numbers, booleans or nulls.
    #[serde(default)]
    parameters: Vec<Value>,
    /// Whether no row at all fails the try, rather than being waited for.
    #[serde(default)]
    fail_on_empty: bool,
    /// Whether the host asks the database, so that this sensor is not called before the row is there.
    #[serde(default)]
    deferrable: bool,
}

/// Waits until the first value of a query's first row is what Python takes for true.
///
/// While it is not, it asks to be called again, or with `deferrable` lets the host ask, and holds neither a slot nor memory.
#[operator(name = "sql-sensor", kind = sensor, template_fields(conn_id, sql, parameters), resume = look_again)]
fn sql_sensor(arguments: SqlSensor) -> Result<Outcome> {
    let parameters = arguments.parameters.iter().map(parameter).collect::<Result<Vec<_>>>()?;
    let session = Session::open(&arguments.conn_id)?;
    let (rows, _) = session.query(&arguments.sql, &parameters)?.collect(1)?;
    let first = rows.first().and_then(|row| row.first());
    if first.is_none() && arguments.fail_on_empty {
        return Err(Error::retry("the query gave no row, and `fail_on_empty` is true"));
    }
    if first.is_some_and(is_true) {
        return Ok(Outcome::done());
    }
    log::info!("{}", first.map_or_else(|| "no row yet".to_owned(), |value| format!("the first value is {value:?}")));
    // That there is no row, the host waits for like for any other answer.
    if !arguments.deferrable || arguments.fail_on_empty {
        return Ok(Outcome::reschedule());
    }
    let mut trigger = SqlTrigger::query(&arguments.conn_id, &arguments.sql);
    trigger.parameters.clone_from(&arguments.parameters);
    Outcome::defer(trigger, arguments)
}

/// The host has seen the row.
fn look_again(_: SqlSensor, event: Event) -> Result<Outcome> {
    match event {
        Event::Fired(seen) => {
            log::info!("the first row is {}", seen["row"]);
            Ok(Outcome::done())
        }
        Event::TimedOut => Ok(Outcome::reschedule()),
        Event::Failed(reason) => Err(Error::fail(reason)),
    }
}

fn parameter(value: &Value) -> Result<SqlValue> {
    Ok(match value {
        Value::Null => SqlValue::Null,
        Value::Bool(value) => SqlValue::Boolean(*value),
        Value::String(text) => SqlValue::Text(text.clone()),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => SqlValue::Integer(integer),
            (None, Some(float)) => SqlValue::Float(float),
            (None, None) => SqlValue::Decimal(number.to_string()),
        },
        other => {
            return Err(Error::fail(format!("the parameter {other} is neither text, number, boolean nor null")));
        }
    })
}

fn is_true(value: &SqlValue) -> bool {
    match value {
        SqlValue::Null => false,
        SqlValue::Boolean(value) => *value,
        SqlValue::Integer(value) => *value != 0,
        SqlValue::Float(value) => *value != 0.0,
        SqlValue::Decimal(text) => text.parse::<f64>() != Ok(0.0),
        SqlValue::Bytes(bytes) => !bytes.is_empty(),
        SqlValue::Text(text) => !text.is_empty(),
        SqlValue::Json(text) => !matches!(text.trim(), "null" | "false" | "0" | "0.0" | "\"\"" | "[]" | "{}"),
        SqlValue::Timestamp(_) | SqlValue::Date(_) | SqlValue::Time(_) | SqlValue::Datetime(_) | SqlValue::Uuid(_) => {
            true
        }
    }
}

#[cfg(test)]
mod tests;
