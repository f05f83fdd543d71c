//! A row that is waited for.

use airlock_core::trigger::{Answer, SqlTrigger};
use airlock_sandbox::capability::Caller;
use airlock_sandbox::capability::sql::{SqlError, SqlHook, SqlValue};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::Fault;

/// Bytes of a row that are read.
const ROW: usize = 64 << 10;

/// SQLSTATE classes of what no second look mends: wrong data, and syntax or access.
const HOPELESS_CLASSES: &[&str] = &["22", "42"];

/// SQLite's code for the same.
const SQLITE_ERROR: &str = "1";

pub(super) async fn look(hook: &dyn SqlHook, caller: &Caller, trigger: &SqlTrigger) -> Result<Answer, Fault> {
    let session = hook.open(caller, &trigger.conn_id).await.map_err(fault)?;
    session.begin().await.map_err(fault)?;
    let parameters = trigger.parameters.iter().map(parameter).collect();
    let mut rows = session.query(trigger.statement.clone(), parameters).await.map_err(fault)?;
    let first = rows.next(1, ROW).await.map_err(fault)?.into_iter().next();
    // The session rolls back when it goes.
    let seen = first.map(|row| {
        let is_true = row.first().is_some_and(is_true);
        (row.into_iter().map(json).collect(), is_true)
    });
    Ok(trigger.answer(seen))
}

fn parameter(value: &Value) -> SqlValue {
    match value {
        Value::Null => SqlValue::Null,
        Value::Bool(value) => SqlValue::Boolean(*value),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => SqlValue::Integer(integer),
            None => SqlValue::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => SqlValue::Text(text.clone()),
        // Refused before: a trigger's parameters are plain.
        other => SqlValue::Json(other.to_string()),
    }
}

fn json(value: SqlValue) -> Value {
    match value {
        SqlValue::Null => Value::Null,
        SqlValue::Boolean(value) => value.into(),
        SqlValue::Integer(value) => value.into(),
        SqlValue::Float(value) => value.into(),
        SqlValue::Bytes(bytes) => STANDARD.encode(bytes).into(),
        SqlValue::Json(text) => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        SqlValue::Decimal(text)
        | SqlValue::Text(text)
        | SqlValue::Timestamp(text)
        | SqlValue::Date(text)
        | SqlValue::Time(text)
        | SqlValue::Datetime(text)
        | SqlValue::Uuid(text) => text.into(),
    }
}

/// As Python takes what its drivers make of a value.
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

fn fault(error: SqlError) -> Fault {
    let is_hopeless = match &error {
        SqlError::Denied(_)
        | SqlError::ConnectionNotFound(_)
        | SqlError::WrongType(_)
        | SqlError::UnsupportedType(_) => true,
        SqlError::Database { code: Some(code), .. } => {
            code == SQLITE_ERROR || (code.len() == 5 && HOPELESS_CLASSES.iter().any(|class| code.starts_with(class)))
        }
        _ => false,
    };
    if is_hopeless { Fault::Hopeless(error.to_string()) } else { Fault::Trouble(error.to_string()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_true_as_in_python() {
        let falsy = [
            SqlValue::Null,
            SqlValue::Boolean(false),
            SqlValue::Integer(0),
            SqlValue::Float(0.0),
            SqlValue::Decimal("0.00".into()),
            SqlValue::Text(String::new()),
            SqlValue::Json("{}".into()),
        ];
        let truthy = [
            SqlValue::Boolean(true),
            SqlValue::Integer(-1),
            SqlValue::Decimal("0.01".into()),
            SqlValue::Text("0".into()),
            SqlValue::Date("2026-01-31".into()),
            SqlValue::Json("[0]".into()),
        ];
        assert!(!falsy.iter().any(is_true), "{falsy:?}");
        assert!(truthy.iter().all(is_true), "{truthy:?}");
    }

    #[test]
    fn what_the_database_will_never_do_is_hopeless() {
        let refused = |code: &str| fault(SqlError::Database { code: Some(code.into()), message: "no".into() });
        assert!(matches!(refused("42P01"), Fault::Hopeless(_)));
        assert!(matches!(refused("40001"), Fault::Trouble(_)));
        assert!(matches!(fault(SqlError::Connect("gone".into())), Fault::Trouble(_)));
        assert!(matches!(fault(SqlError::ConnectionNotFound("x".into())), Fault::Hopeless(_)));
    }
}
