//! Columns in the types of the model.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{Decode, Postgres, Row, Type};

use crate::error::{Failure, Result};

/// A row's columns by name.
pub trait Columns {
    fn get<'r, T: Decode<'r, Postgres> + Type<Postgres>>(&'r self, column: &str) -> Result<T>;

    /// An integer of a narrower type.
    fn number<T: TryFrom<i64>>(&self, column: &str) -> Result<T> {
        let value: i64 = self.get(column)?;
        T::try_from(value).map_err(|_| Failure::damaged(format!("{value} is out of range for `{column}`")))
    }

    /// Both ends, or neither.
    fn interval(&self, start: &str, end: &str) -> Result<Option<(DateTime<Utc>, DateTime<Utc>)>> {
        let (start, end): (Option<DateTime<Utc>>, Option<DateTime<Utc>>) = (self.get(start)?, self.get(end)?);
        Ok(start.zip(end))
    }

    /// A name of an enumeration.
    fn name<T: FromStr<Err: std::fmt::Display>>(&self, column: &str) -> Result<T> {
        parse(self.get(column)?)
    }

    fn optional_name<T: FromStr<Err: std::fmt::Display>>(&self, column: &str) -> Result<Option<T>> {
        self.get::<Option<&str>>(column)?.map(parse).transpose()
    }

    fn json<T: DeserializeOwned + 'static>(&self, column: &str) -> Result<T> {
        Ok(self.get::<Json<T>>(column)?.0)
    }

    fn optional_json<T: DeserializeOwned + 'static>(&self, column: &str) -> Result<Option<T>> {
        Ok(self.get::<Option<Json<T>>>(column)?.map(|value| value.0))
    }
}

fn parse<T: FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T> {
    text.parse().map_err(|error: T::Err| Failure::damaged(error.to_string()))
}

impl Columns for PgRow {
    fn get<'r, T: Decode<'r, Postgres> + Type<Postgres>>(&'r self, column: &str) -> Result<T> {
        Ok(self.try_get(column)?)
    }
}
