use super::wit::sql as wit;
use crate::sql::{Column, SqlError, SqlValue};

fn error(error: wit::SqlError) -> SqlError {
    match error {
        wit::SqlError::Denied(text) => SqlError::Denied(text),
        wit::SqlError::ConnectionNotFound(text) => SqlError::ConnectionNotFound(text),
        wit::SqlError::WrongType(text) => SqlError::WrongType(text),
        wit::SqlError::Connect(text) => SqlError::Connect(text),
        wit::SqlError::Database(error) => SqlError::Database { code: error.code, message: error.message },
        wit::SqlError::UnsupportedType(text) => SqlError::UnsupportedType(text),
        wit::SqlError::Busy => SqlError::Busy,
        wit::SqlError::Timeout => SqlError::Timeout,
        wit::SqlError::Other(text) => SqlError::Other(text),
    }
}

/// The two enumerations have the same variants: one list turns them into each other.
macro_rules! same_variants {
    ($($variant:ident),+) => {
        fn to_wit(value: &SqlValue) -> wit::Value {
            match value {
                SqlValue::Null => wit::Value::Null,
                $(SqlValue::$variant(value) => wit::Value::$variant(value.clone()),)+
            }
        }

        fn from_wit(value: wit::Value) -> SqlValue {
            match value {
                wit::Value::Null => SqlValue::Null,
                $(wit::Value::$variant(value) => SqlValue::$variant(value),)+
            }
        }
    };
}

same_variants!(Boolean, Integer, Float, Decimal, Text, Bytes, Timestamp, Date, Time, Datetime, Json, Uuid);

pub struct Session(wit::Session);

impl Session {
    pub fn open(conn_id: &str) -> Result<Self, SqlError> {
        wit::Session::open(conn_id).map(Self).map_err(error)
    }

    pub fn dialect(&self) -> String {
        self.0.dialect()
    }

    pub fn query(&self, statement: &str, parameters: &[SqlValue]) -> Result<Rows, SqlError> {
        let parameters: Vec<_> = parameters.iter().map(to_wit).collect();
        self.0.query(statement, &parameters).map(Rows).map_err(error)
    }

    pub fn execute(&self, statement: &str, parameters: &[SqlValue]) -> Result<u64, SqlError> {
        let parameters: Vec<_> = parameters.iter().map(to_wit).collect();
        self.0.execute(statement, &parameters).map_err(error)
    }

    pub fn begin(&self) -> Result<(), SqlError> {
        self.0.begin().map_err(error)
    }

    pub fn commit(&self) -> Result<(), SqlError> {
        self.0.commit().map_err(error)
    }

    pub fn rollback(&self) -> Result<(), SqlError> {
        self.0.rollback().map_err(error)
    }
}

pub struct Rows(wit::Rows);

impl Rows {
    pub fn columns(&self) -> Vec<Column> {
        let columns = self.0.columns();
        columns.into_iter().map(|column| Column { name: column.name, type_name: column.type_name }).collect()
    }

    pub fn next(&mut self, max: u32) -> Result<Vec<Vec<SqlValue>>, SqlError> {
        let rows = self.0.next(max).map_err(error)?;
        Ok(rows.into_iter().map(|row| row.into_iter().map(from_wit).collect()).collect())
    }
}
