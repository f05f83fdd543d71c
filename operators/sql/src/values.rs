//! Values of SQL as JSON, and back.

use airlock_sdk::prelude::*;
use airlock_sdk::serde_json::{self, Number};
use airlock_sdk::sql::{Column, SqlValue};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

pub fn parameter(value: &Value) -> SqlValue {
    match value {
        Value::Null => SqlValue::Null,
        Value::Bool(value) => SqlValue::Boolean(*value),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => SqlValue::Integer(integer),
            // Whole, but larger than the contract's integers.
            _ if number.is_u64() => SqlValue::Decimal(number.to_string()),
            (None, Some(float)) => SqlValue::Float(float),
            (None, None) => SqlValue::Decimal(number.to_string()),
        },
        Value::String(text) => SqlValue::Text(text.clone()),
        Value::Array(_) | Value::Object(_) => SqlValue::Json(value.to_string()),
    }
}

pub fn row(values: Vec<SqlValue>) -> Vec<Value> {
    values.into_iter().map(json).collect()
}

pub fn object(columns: &[Column], row: Vec<Value>) -> Value {
    columns.iter().map(|column| column.name.clone()).zip(row).collect()
}

/// What JSON has no type for becomes text: exact decimals and times as the database writes them, bytes in Base64, and
/// numbers such as `NaN` by name.
fn json(value: SqlValue) -> Value {
    match value {
        SqlValue::Null => Value::Null,
        SqlValue::Boolean(value) => value.into(),
        SqlValue::Integer(value) => value.into(),
        SqlValue::Float(value) => Number::from_f64(value).map_or_else(|| value.to_string().into(), Value::Number),
        SqlValue::Bytes(bytes) => BASE64_STANDARD.encode(bytes).into(),
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
