//! From our values to PostgreSQL's binary ones, of the type that the statement wants.

use std::error::Error;

use airlock_sandbox::capability::sql::SqlValue;
use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use sqlx::Postgres;
use sqlx::encode::{Encode, IsNull};
use sqlx::postgres::{PgArgumentBuffer, PgTypeInfo, PgTypeKind};
use sqlx::{Type, TypeInfo};

use super::decode::EPOCH;
use super::numeric;
use crate::sql::text;

/// A parameter as it goes over the wire.
pub(super) struct Parameter {
    type_info: PgTypeInfo,
    bytes: Option<Vec<u8>>,
}

impl Encode<'_, Postgres> for Parameter {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, Box<dyn Error + Send + Sync>> {
        Ok(match &self.bytes {
            Some(bytes) => {
                buffer.extend_from_slice(bytes);
                IsNull::No
            }
            None => IsNull::Yes,
        })
    }

    fn produces(&self) -> Option<PgTypeInfo> {
        Some(self.type_info.clone())
    }
}

impl Type<Postgres> for Parameter {
    /// Never asked: every parameter says itself what it is.
    fn type_info() -> PgTypeInfo {
        <String as Type<Postgres>>::type_info()
    }
}

/// `value` as a value of the type `wanted`.
///
/// # Errors
/// A sentence with both, and what to write instead.
pub(super) fn encode(value: &SqlValue, wanted: &PgTypeInfo) -> Result<Parameter, String> {
    let parameter = |bytes| Parameter { type_info: wanted.clone(), bytes };
    if *value == SqlValue::Null {
        return Ok(parameter(None));
    }
    let bytes = bytes(value, wanted).ok_or_else(|| {
        let name = wanted.name().to_lowercase();
        format!(
            "the statement takes a value of the type {name} here, which {} is not; cast one: `$n::text::{name}`",
            word(value)
        )
    })?;
    Ok(parameter(Some(bytes)))
}

fn bytes(value: &SqlValue, wanted: &PgTypeInfo) -> Option<Vec<u8>> {
    match wanted.kind() {
        PgTypeKind::Domain(inner) => return bytes(value, inner),
        PgTypeKind::Enum(_) => return plain(value).map(String::into_bytes),
        _ => {}
    }
    let text = plain(value);
    Some(match wanted.name().to_ascii_uppercase().as_str() {
        "BOOL" => vec![u8::from(boolean(value)?)],
        "INT2" => i16::try_from(integer(value)?).ok()?.to_be_bytes().to_vec(),
        "INT4" => i32::try_from(integer(value)?).ok()?.to_be_bytes().to_vec(),
        "INT8" => integer(value)?.to_be_bytes().to_vec(),
        "OID" => u32::try_from(integer(value)?).ok()?.to_be_bytes().to_vec(),
        "FLOAT4" => text?.trim().parse::<f32>().ok()?.to_be_bytes().to_vec(),
        "FLOAT8" => text?.trim().parse::<f64>().ok()?.to_be_bytes().to_vec(),
        "NUMERIC" => numeric::encode(&text?)?,
        "BYTEA" => match value {
            SqlValue::Bytes(bytes) => bytes.clone(),
            _ => return None,
        },
        "TEXT" | "VARCHAR" | "CHAR" | "NAME" | "UNKNOWN" | "CITEXT" | "XML" => text?.into_bytes(),
        "JSON" => json(value)?.into_bytes(),
        "JSONB" => [&[1], json(value)?.as_bytes()].concat(),
        "UUID" => text?.trim().parse::<uuid::Uuid>().ok()?.into_bytes().to_vec(),
        "DATE" => days(text::parse_date(&text?)?)?.to_be_bytes().to_vec(),
        "TIME" => (text::parse_time(&text?)? - NaiveTime::MIN).num_microseconds()?.to_be_bytes().to_vec(),
        "TIMESTAMP" => microseconds(datetime(value)?)?.to_be_bytes().to_vec(),
        "TIMESTAMPTZ" => microseconds(text::parse_timestamp(&text?)?.naive_utc())?.to_be_bytes().to_vec(),
        _ => return None,
    })
}

fn boolean(value: &SqlValue) -> Option<bool> {
    match value {
        SqlValue::Boolean(flag) => Some(*flag),
        SqlValue::Integer(0) => Some(false),
        SqlValue::Integer(1) => Some(true),
        SqlValue::Text(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "on" | "1" => Some(true),
            "false" | "f" | "no" | "off" | "0" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

fn integer(value: &SqlValue) -> Option<i64> {
    match value {
        SqlValue::Boolean(_) => None,
        value => plain(value)?.trim().parse().ok(),
    }
}

/// A moment becomes the time of day in UTC, which is the zone of every session here.
fn datetime(value: &SqlValue) -> Option<NaiveDateTime> {
    let text = plain(value)?;
    text::parse_datetime(&text).or_else(|| Some(text::parse_timestamp(&text)?.naive_utc()))
}

fn json(value: &SqlValue) -> Option<String> {
    match value {
        SqlValue::Json(text) | SqlValue::Text(text) => {
            serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok().then(|| text.clone())
        }
        value => Some(text::json(value.clone())?.to_string()),
    }
}

/// The text that the database itself would show.
fn plain(value: &SqlValue) -> Option<String> {
    Some(match value {
        SqlValue::Null | SqlValue::Bytes(_) => return None,
        SqlValue::Boolean(flag) => flag.to_string(),
        SqlValue::Integer(number) => number.to_string(),
        SqlValue::Float(number) => number.to_string(),
        SqlValue::Decimal(text)
        | SqlValue::Text(text)
        | SqlValue::Timestamp(text)
        | SqlValue::Date(text)
        | SqlValue::Time(text)
        | SqlValue::Datetime(text)
        | SqlValue::Json(text)
        | SqlValue::Uuid(text) => text.clone(),
    })
}

fn word(value: &SqlValue) -> &'static str {
    match value {
        SqlValue::Null => "null",
        SqlValue::Boolean(_) => "this boolean",
        SqlValue::Integer(_) => "this integer",
        SqlValue::Float(_) => "this float",
        SqlValue::Decimal(_) => "this decimal",
        SqlValue::Text(_) => "this text",
        SqlValue::Bytes(_) => "this sequence of bytes",
        SqlValue::Timestamp(_) => "this timestamp",
        SqlValue::Date(_) => "this date",
        SqlValue::Time(_) => "this time",
        SqlValue::Datetime(_) => "this datetime",
        SqlValue::Json(_) => "this JSON",
        SqlValue::Uuid(_) => "this UUID",
    }
}

fn days(date: NaiveDate) -> Option<i32> {
    i32::try_from((date - EPOCH).num_days()).ok()
}

fn microseconds(datetime: NaiveDateTime) -> Option<i64> {
    (datetime - EPOCH.and_time(NaiveTime::MIN)).num_microseconds()
}
