use airlock_telemetry::call_span;
use airlock_telemetry::trace::traced;
use wasmtime::component::Resource;

use crate::bindings::airlock::operator::sql::{Column, DatabaseError, Host, HostRows, HostSession, SqlError, Value};
use crate::capability::sql::{self, SqlDialect, SqlRows, SqlSession, SqlValue};
use crate::run::state::CallState;

/// One connection of the guest to a database.
pub struct Session(Box<dyn SqlSession>);

/// The rows of one query. They hold what they need of the session, so either may be dropped first.
pub struct Rows(Box<dyn SqlRows>);

impl From<sql::SqlError> for SqlError {
    fn from(error: sql::SqlError) -> Self {
        match error {
            sql::SqlError::Denied(text) => Self::Denied(text),
            sql::SqlError::ConnectionNotFound(id) => Self::ConnectionNotFound(id),
            sql::SqlError::WrongType(text) => Self::WrongType(text),
            sql::SqlError::Connect(text) => Self::Connect(text),
            sql::SqlError::Database { code, message } => Self::Database(DatabaseError { code, message }),
            sql::SqlError::UnsupportedType(text) => Self::UnsupportedType(text),
            sql::SqlError::Busy => Self::Busy,
            sql::SqlError::Timeout => Self::Timeout,
            sql::SqlError::Other(text) => Self::Other(text),
        }
    }
}

impl From<Value> for SqlValue {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Boolean(value) => Self::Boolean(value),
            Value::Integer(value) => Self::Integer(value),
            Value::Float(value) => Self::Float(value),
            Value::Decimal(value) => Self::Decimal(value),
            Value::Text(value) => Self::Text(value),
            Value::Bytes(value) => Self::Bytes(value),
            Value::Timestamp(value) => Self::Timestamp(value),
            Value::Date(value) => Self::Date(value),
            Value::Time(value) => Self::Time(value),
            Value::Datetime(value) => Self::Datetime(value),
            Value::Json(value) => Self::Json(value),
            Value::Uuid(value) => Self::Uuid(value),
        }
    }
}

impl From<SqlValue> for Value {
    fn from(value: SqlValue) -> Self {
        match value {
            SqlValue::Null => Self::Null,
            SqlValue::Boolean(value) => Self::Boolean(value),
            SqlValue::Integer(value) => Self::Integer(value),
            SqlValue::Float(value) => Self::Float(value),
            SqlValue::Decimal(value) => Self::Decimal(value),
            SqlValue::Text(value) => Self::Text(value),
            SqlValue::Bytes(value) => Self::Bytes(value),
            SqlValue::Timestamp(value) => Self::Timestamp(value),
            SqlValue::Date(value) => Self::Date(value),
            SqlValue::Time(value) => Self::Time(value),
            SqlValue::Datetime(value) => Self::Datetime(value),
            SqlValue::Json(value) => Self::Json(value),
            SqlValue::Uuid(value) => Self::Uuid(value),
        }
    }
}

impl Host for CallState {}

impl HostSession for CallState {
    async fn open(&mut self, conn_id: String) -> wasmtime::Result<Result<Resource<Session>, SqlError>> {
        self.host_calls += 1;
        if let Err(denied) = self.caller.require(&format!("connections:use:{conn_id}")) {
            return Ok(Err(SqlError::Denied(denied)));
        }
        let span = call_span!("sql.open", airflow.conn_id = conn_id);
        match traced(span, self.capabilities.sql.open(&self.caller, &conn_id)).await {
            Ok(session) => Ok(Ok(CallState::open(self, Session(session))?)),
            Err(error) => Ok(Err(error.into())),
        }
    }

    fn dialect(&mut self, session: Resource<Session>) -> wasmtime::Result<String> {
        let dialect = match self.table.get(&session)?.0.dialect() {
            SqlDialect::Postgres => "postgres",
            SqlDialect::Mysql => "mysql",
            SqlDialect::Sqlite => "sqlite",
        };
        Ok(dialect.to_owned())
    }

    async fn query(
        &mut self,
        session: Resource<Session>,
        statement: String,
        parameters: Vec<Value>,
    ) -> wasmtime::Result<Result<Resource<Rows>, SqlError>> {
        self.host_calls += 1;
        let parameters = parameters.into_iter().map(Into::into).collect();
        let session = &mut self.table.get_mut(&session)?.0;
        match traced(call_span!("sql.query"), session.query(statement, parameters)).await {
            Ok(rows) => Ok(Ok(CallState::open(self, Rows(rows))?)),
            Err(error) => Ok(Err(error.into())),
        }
    }

    async fn execute(
        &mut self,
        session: Resource<Session>,
        statement: String,
        parameters: Vec<Value>,
    ) -> wasmtime::Result<Result<u64, SqlError>> {
        self.host_calls += 1;
        let parameters = parameters.into_iter().map(Into::into).collect();
        let session = &mut self.table.get_mut(&session)?.0;
        Ok(traced(call_span!("sql.execute"), session.execute(statement, parameters)).await.map_err(Into::into))
    }

    async fn begin(&mut self, session: Resource<Session>) -> wasmtime::Result<Result<(), SqlError>> {
        self.host_calls += 1;
        let session = &mut self.table.get_mut(&session)?.0;
        Ok(traced(call_span!("sql.begin"), session.begin()).await.map_err(Into::into))
    }

    async fn commit(&mut self, session: Resource<Session>) -> wasmtime::Result<Result<(), SqlError>> {
        self.host_calls += 1;
        let session = &mut self.table.get_mut(&session)?.0;
        Ok(traced(call_span!("sql.commit"), session.commit()).await.map_err(Into::into))
    }

    async fn rollback(&mut self, session: Resource<Session>) -> wasmtime::Result<Result<(), SqlError>> {
        self.host_calls += 1;
        let session = &mut self.table.get_mut(&session)?.0;
        Ok(traced(call_span!("sql.rollback"), session.rollback()).await.map_err(Into::into))
    }

    async fn drop(&mut self, session: Resource<Session>) -> wasmtime::Result<()> {
        self.table.delete(session)?;
        Ok(())
    }
}

impl HostRows for CallState {
    fn columns(&mut self, rows: Resource<Rows>) -> wasmtime::Result<Vec<Column>> {
        let columns = self.table.get(&rows)?.0.columns();
        Ok(columns
            .iter()
            .map(|column| Column { name: column.name.clone(), type_name: column.type_name.clone() })
            .collect())
    }

    async fn next(&mut self, rows: Resource<Rows>, max: u32) -> wasmtime::Result<Result<Vec<Vec<Value>>, SqlError>> {
        self.host_calls += 1;
        let max_bytes = self.read_size(u32::MAX);
        let max_rows = usize::try_from(max).unwrap_or(usize::MAX);
        let rows = &mut self.table.get_mut(&rows)?.0;
        Ok(match traced(call_span!("sql.next"), rows.next(max_rows, max_bytes)).await {
            Ok(rows) => Ok(rows.into_iter().map(|row| row.into_iter().map(Into::into).collect()).collect()),
            Err(error) => Err(error.into()),
        })
    }

    async fn drop(&mut self, rows: Resource<Rows>) -> wasmtime::Result<()> {
        self.table.delete(rows)?;
        Ok(())
    }
}
