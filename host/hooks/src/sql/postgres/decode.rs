//! From PostgreSQL's binary values to ours.

use airlock_sandbox::capability::sql::{SqlError, SqlValue};
use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use sqlx::postgres::{PgRow, PgTypeInfo, PgTypeKind, PgValueFormat};
use sqlx::{Column, Row as _, TypeInfo, ValueRef};

use super::numeric;
use crate::sql::session::Row;
use crate::sql::text;

pub(super) fn decode(row: &PgRow) -> Result<Row, SqlError> {
    let values = row.columns().iter().map(|column| {
        let raw = row.try_get_raw(column.ordinal()).map_err(|error| SqlError::Other(error.to_string()))?;
        if raw.is_null() {
            return Ok(SqlValue::Null);
        }
        let type_info = raw.type_info().into_owned();
        let bytes = match (raw.format(), raw.as_bytes()) {
            (PgValueFormat::Binary, Ok(bytes)) => bytes,
            (PgValueFormat::Text, _) | (_, Err(_)) => {
                return Err(SqlError::Other(format!("column `{}` came as a text", column.name())));
            }
        };
        value(&type_info, bytes).ok_or_else(|| {
            SqlError::UnsupportedType(format!(
                "column `{name}` has a value of the type {type_name} that cannot be carried; \
                 select it as a text: `{name}::text`",
                name = column.name(),
                type_name = type_info.name().to_lowercase()
            ))
        })
    });
    values.collect()
}

/// None for a type that is not known here, and for a value that has no text of its kind, such as an infinite timestamp.
fn value(type_info: &PgTypeInfo, bytes: &[u8]) -> Option<SqlValue> {
    match type_info.kind() {
        PgTypeKind::Domain(inner) => return value(inner, bytes),
        PgTypeKind::Enum(_) => return utf8(bytes).map(SqlValue::Text),
        PgTypeKind::Array(element) => return array(element, bytes),
        _ => {}
    }
    Some(match type_info.name().to_ascii_uppercase().as_str() {
        "BOOL" => SqlValue::Boolean(bytes.first()? != &0),
        "INT2" => SqlValue::Integer(i16::from_be_bytes(bytes.try_into().ok()?).into()),
        "INT4" => SqlValue::Integer(i32::from_be_bytes(bytes.try_into().ok()?).into()),
        "INT8" => SqlValue::Integer(i64::from_be_bytes(bytes.try_into().ok()?)),
        "OID" => SqlValue::Integer(u32::from_be_bytes(bytes.try_into().ok()?).into()),
        "FLOAT4" => SqlValue::Float(text::widen(f32::from_be_bytes(bytes.try_into().ok()?))),
        "FLOAT8" => SqlValue::Float(f64::from_be_bytes(bytes.try_into().ok()?)),
        "NUMERIC" => SqlValue::Decimal(numeric::decode(bytes)?),
        "BYTEA" => SqlValue::Bytes(bytes.to_vec()),
        "TEXT" | "VARCHAR" | "CHAR" | "\"CHAR\"" | "NAME" | "UNKNOWN" | "CITEXT" | "XML" => {
            SqlValue::Text(utf8(bytes)?)
        }
        "JSON" => SqlValue::Json(utf8(bytes)?),
        // The first byte is the version of the format.
        "JSONB" => SqlValue::Json(utf8(bytes.strip_prefix(&[1])?)?),
        "UUID" => SqlValue::Uuid(uuid::Uuid::from_slice(bytes).ok()?.to_string()),
        "DATE" => SqlValue::Date(text::date(date(bytes)?)),
        "TIME" => SqlValue::Time(text::time(time(bytes)?)),
        "TIMESTAMP" => SqlValue::Datetime(text::datetime(timestamp(bytes)?)),
        "TIMESTAMPTZ" => {
            SqlValue::Timestamp(text::timestamp(DateTime::<Utc>::from_naive_utc_and_offset(timestamp(bytes)?, Utc)))
        }
        "VOID" => SqlValue::Null,
        _ => return None,
    })
}

fn utf8(bytes: &[u8]) -> Option<String> {
    String::from_utf8(bytes.to_vec()).ok()
}

/// The day from which PostgreSQL counts.
pub(super) const EPOCH: NaiveDate = match NaiveDate::from_ymd_opt(2000, 1, 1) {
    Some(day) => day,
    None => NaiveDate::MIN,
};

fn date(bytes: &[u8]) -> Option<NaiveDate> {
    let days = i32::from_be_bytes(bytes.try_into().ok()?);
    let distance = Days::new(days.unsigned_abs().into());
    if days < 0 { EPOCH.checked_sub_days(distance) } else { EPOCH.checked_add_days(distance) }
}

fn time(bytes: &[u8]) -> Option<NaiveTime> {
    let microseconds = u64::from_be_bytes(bytes.try_into().ok()?);
    let seconds = u32::try_from(microseconds / 1_000_000).ok()?;
    let rest = u32::try_from(microseconds % 1_000_000).ok()?;
    // 24:00:00 is a time to PostgreSQL, and to nobody else.
    NaiveTime::from_num_seconds_from_midnight_opt(seconds, rest * 1_000)
}

fn timestamp(bytes: &[u8]) -> Option<NaiveDateTime> {
    let microseconds = i64::from_be_bytes(bytes.try_into().ok()?);
    EPOCH.and_time(NaiveTime::MIN).checked_add_signed(TimeDelta::microseconds(microseconds))
}

/// An array becomes a JSON array, of arrays where it has dimensions.
fn array(element: &PgTypeInfo, bytes: &[u8]) -> Option<SqlValue> {
    let mut reader = Reader(bytes);
    let dimensions = usize::try_from(reader.integer()?).ok()?;
    let (_has_nulls, _element_type) = (reader.integer()?, reader.integer()?);
    let mut lengths = Vec::new();
    for _ in 0..dimensions {
        lengths.push(usize::try_from(reader.integer()?).ok()?);
        let _lower_bound = reader.integer()?;
    }
    let json = match lengths.as_slice() {
        // A dimension without elements: the product of the others could be anything.
        lengths if lengths.is_empty() || lengths.contains(&0) => serde_json::Value::Array(Vec::new()),
        lengths => reader.nested(element, lengths)?,
    };
    Some(SqlValue::Json(json.to_string()))
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn integer(&mut self) -> Option<i32> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(i32::from_be_bytes(*first))
    }

    fn nested(&mut self, element: &PgTypeInfo, lengths: &[usize]) -> Option<serde_json::Value> {
        let Some((&length, inner)) = lengths.split_first() else { return self.element(element) };
        let mut values = Vec::new();
        for _ in 0..length {
            values.push(self.nested(element, inner)?);
        }
        Some(serde_json::Value::Array(values))
    }

    fn element(&mut self, element: &PgTypeInfo) -> Option<serde_json::Value> {
        let Ok(length) = usize::try_from(self.integer()?) else { return Some(serde_json::Value::Null) };
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        text::json(value(element, bytes)?)
    }
}
