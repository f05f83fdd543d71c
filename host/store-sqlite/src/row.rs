//! Columns and values, in both directions.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use crate::error::{Failure, Result};

/// The rows of a batch, which is the argument of this number: the table `batch` has one column, `row`. To be the first of a `WITH`.
///
/// `json_each` writes a row out as text again at each mention of it, and `->>` parses it again: that would be most of what a batch
/// costs.
macro_rules! batch {
    ($argument:literal) => {
        concat!("batch (row) AS MATERIALIZED (SELECT jsonb(value) FROM json_each(", $argument, "))")
    };
}
pub(crate) use batch;

/// An instant as it is stored.
pub fn micros(instant: DateTime<Utc>) -> i64 {
    instant.timestamp_micros()
}

pub fn optional_micros(instant: Option<DateTime<Utc>>) -> Option<i64> {
    instant.map(micros)
}

/// A stored instant.
pub fn instant(micros: i64) -> Result<DateTime<Utc>> {
    DateTime::from_timestamp_micros(micros).ok_or_else(|| Failure::damaged(format!("{micros} is no instant")))
}

/// A row's columns by name, in the types of the model.
pub trait Columns {
    fn text(&self, column: &str) -> Result<String>;
    fn optional_text(&self, column: &str) -> Result<Option<String>>;
    fn integer(&self, column: &str) -> Result<i64>;
    fn optional_integer(&self, column: &str) -> Result<Option<i64>>;
    fn uuid(&self, column: &str) -> Result<Uuid>;
    fn bytes(&self, column: &str) -> Result<Vec<u8>>;
    fn optional_bytes(&self, column: &str) -> Result<Option<Vec<u8>>>;

    /// An integer of a narrower type.
    fn number<T: TryFrom<i64>>(&self, column: &str) -> Result<T> {
        let value = self.integer(column)?;
        T::try_from(value).map_err(|_| Failure::damaged(format!("{value} is out of range for `{column}`")))
    }

    fn flag(&self, column: &str) -> Result<bool> {
        Ok(self.integer(column)? != 0)
    }

    fn instant(&self, column: &str) -> Result<DateTime<Utc>> {
        instant(self.integer(column)?)
    }

    fn optional_instant(&self, column: &str) -> Result<Option<DateTime<Utc>>> {
        self.optional_integer(column)?.map(instant).transpose()
    }

    /// Both ends, or neither.
    fn interval(&self, start: &str, end: &str) -> Result<Option<(DateTime<Utc>, DateTime<Utc>)>> {
        Ok(self.optional_instant(start)?.zip(self.optional_instant(end)?))
    }

    /// A name of an enumeration.
    fn name<T: FromStr<Err: std::fmt::Display>>(&self, column: &str) -> Result<T> {
        parse(&self.text(column)?)
    }

    fn optional_name<T: FromStr<Err: std::fmt::Display>>(&self, column: &str) -> Result<Option<T>> {
        self.optional_text(column)?.as_deref().map(parse).transpose()
    }

    fn json<T: DeserializeOwned>(&self, column: &str) -> Result<T> {
        serde_json::from_str(&self.text(column)?).map_err(|error| Failure::damaged(format!("`{column}`: {error}")))
    }

    fn optional_json<T: DeserializeOwned>(&self, column: &str) -> Result<Option<T>> {
        self.optional_text(column)?
            .map(|text| serde_json::from_str(&text))
            .transpose()
            .map_err(|error| Failure::damaged(format!("`{column}`: {error}")))
    }
}

fn parse<T: FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T> {
    text.parse().map_err(|error: T::Err| Failure::damaged(error.to_string()))
}

impl Columns for SqliteRow {
    fn text(&self, column: &str) -> Result<String> {
        Ok(self.try_get(column)?)
    }
    fn optional_text(&self, column: &str) -> Result<Option<String>> {
        Ok(self.try_get(column)?)
    }
    fn integer(&self, column: &str) -> Result<i64> {
        Ok(self.try_get(column)?)
    }
    fn optional_integer(&self, column: &str) -> Result<Option<i64>> {
        Ok(self.try_get(column)?)
    }
    fn uuid(&self, column: &str) -> Result<Uuid> {
        Ok(self.try_get(column)?)
    }
    fn bytes(&self, column: &str) -> Result<Vec<u8>> {
        Ok(self.try_get(column)?)
    }
    fn optional_bytes(&self, column: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.try_get(column)?)
    }
}
