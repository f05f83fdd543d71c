//! The texts of values, as `wit/sql.wit` has them.

use airlock_sandbox::capability::sql::SqlValue;
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, SecondsFormat, Utc};
use serde_json::Value;

pub(super) fn date(date: NaiveDate) -> String {
    date.format("%Y-%m-%d").to_string()
}

pub(super) fn time(time: NaiveTime) -> String {
    time.format("%H:%M:%S%.f").to_string()
}

pub(super) fn datetime(datetime: NaiveDateTime) -> String {
    datetime.format("%Y-%m-%dT%H:%M:%S%.f").to_string()
}

pub(super) fn timestamp(timestamp: DateTime<Utc>) -> String {
    timestamp.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

pub(super) fn parse_date(text: &str) -> Option<NaiveDate> {
    text.trim().parse().ok()
}

pub(super) fn parse_time(text: &str) -> Option<NaiveTime> {
    text.trim().parse().ok()
}

/// With a `T` or a space between day and time; a day alone is its midnight.
pub(super) fn parse_datetime(text: &str) -> Option<NaiveDateTime> {
    let text = text.trim();
    let parsed = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f")
        .or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f"));
    parsed.ok().or_else(|| parse_date(text)?.and_hms_opt(0, 0, 0))
}

pub(super) fn parse_timestamp(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    DateTime::parse_from_rfc3339(text).ok().map(|instant| instant.with_timezone(&Utc))
}

/// A number of single precision as the shortest text would have it: 0.1 stays 0.1.
pub(super) fn widen(number: f32) -> f64 {
    number.to_string().parse().unwrap_or_else(|_| f64::from(number))
}

/// A value as a member of a JSON array; none for bytes, and for numbers that JSON has no word for.
pub(super) fn json(value: SqlValue) -> Option<Value> {
    Some(match value {
        SqlValue::Null => Value::Null,
        SqlValue::Boolean(flag) => Value::Bool(flag),
        SqlValue::Integer(number) => Value::from(number),
        SqlValue::Float(number) => Value::Number(serde_json::Number::from_f64(number)?),
        SqlValue::Json(text) => serde_json::from_str(&text).ok()?,
        SqlValue::Bytes(_) => return None,
        SqlValue::Decimal(text)
        | SqlValue::Text(text)
        | SqlValue::Timestamp(text)
        | SqlValue::Date(text)
        | SqlValue::Time(text)
        | SqlValue::Datetime(text)
        | SqlValue::Uuid(text) => Value::String(text),
    })
}
