//! PostgreSQL.

mod decode;
mod encode;
mod numeric;

use std::sync::Arc;

use airlock_core::limits::Egress;
use airlock_sandbox::capability::sql::{SqlColumn, SqlDialect, SqlError, SqlValue};
use airlock_sandbox::capability::task::Connection;
use airlock_sandbox::egress::Gate;
use async_trait::async_trait;
use futures::stream::StreamExt;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, PgPool, PgPoolOptions, PgSslMode};
use sqlx::{
    AssertSqlSafe, Column, ConnectOptions, Connection as _, Either, Executor, Row as _, SqlSafeStr, Statement, TypeInfo,
};

use super::Database;
use super::leased::Leased;
use super::network::{self, Network, connect_error, is_plain, pem, refused, statement_error};
use super::session::{Session, Step};
use super::worker::{Answer, Driver, Failure, Running};
use crate::Options;
use crate::connection::{extra_text, filled};

const DEFAULT_PORT: u16 = 5432;
/// The driver makes the name of a socket out of the folder and the port.
const SOCKET: &str = ".s.PGSQL.5432";

pub(super) struct Postgres {
    network: Network,
    pool: PgPool,
}

impl Postgres {
    pub(super) fn new(
        connection: &Connection,
        egress: &Arc<Egress>,
        gate: &Gate,
        options: &Options,
    ) -> Result<Self, SqlError> {
        let network = Network::new(connection, DEFAULT_PORT, SOCKET, egress, gate, options)?;
        let login = network::login(connection)?;
        let mut connect = PgConnectOptions::new_without_pgpass()
            .host(&network.host)
            .port(DEFAULT_PORT)
            .socket(network.relay.folder())
            .username(login)
            .password(connection.password.as_deref().unwrap_or_default())
            .database(filled(connection.info.schema.as_deref()).unwrap_or(login))
            .ssl_mode(ssl_mode(connection)?)
            .application_name("airlock")
            // Statements may hold what is nobody's business.
            .disable_statement_logging();
        if let Some(certificate) = pem(connection, "sslrootcert")? {
            connect = connect.ssl_root_cert_from_pem(certificate.into_bytes());
        }
        if let (Some(certificate), Some(key)) = (pem(connection, "sslcert")?, pem(connection, "sslkey")?) {
            connect = connect.ssl_client_cert_from_pem(certificate).ssl_client_key_from_pem(key);
        }
        let pool = PgPoolOptions::new()
            .max_connections(options.sessions_per_connection)
            .acquire_timeout(options.connect_timeout)
            .idle_timeout(options.idle_timeout)
            .connect_lazy_with(connect);
        Ok(Self { network, pool })
    }
}

fn ssl_mode(connection: &Connection) -> Result<PgSslMode, SqlError> {
    let mode = extra_text(connection, "sslmode").map_err(SqlError::Connect)?;
    mode.as_deref().unwrap_or("prefer").parse().map_err(|_| {
        SqlError::Connect(format!(
            "connection `{}`: `extra.sslmode` must be one of disable, allow, prefer, require, verify-ca, verify-full",
            connection.info.conn_id
        ))
    })
}

#[async_trait]
impl Database for Postgres {
    async fn session(&self) -> Result<Session, SqlError> {
        let (pool, relay, options) = (self.pool.clone(), self.network.relay.clone(), self.network.options.clone());
        let connect = async move {
            let connected = async {
                let mut connection = Leased::new(pool.acquire().await?);
                let answer = connection.fetch_one(sqlx::raw_sql("select pg_backend_pid()")).await?;
                let backend = answer.try_get(0)?;
                Ok(PostgresDriver { connection, pool, backend, in_transaction: false, plain: true })
            };
            match connected.await {
                Ok(driver) => Ok(Box::new(driver) as Box<dyn Driver>),
                Err(error) => Err(connect_error(error, &relay, &options)),
            }
        };
        self.network.session(SqlDialect::Postgres, connect).await
    }
}

struct PostgresDriver {
    connection: Leased<sqlx::Postgres>,
    pool: PgPool,
    /// The server's process that serves this connection.
    backend: i32,
    in_transaction: bool,
    /// Every statement so far was; see [`is_plain`].
    plain: bool,
}

/// `DISCARD ALL`, but for the prepared statements: the driver keeps count of those itself. What is open is rolled back.
const RESET: &str = "rollback; close all; set session authorization default; reset all; unlisten *; \
                     select pg_advisory_unlock_all(); discard plans; discard temp; discard sequences";

/// In a transaction that has failed, `COMMIT` rolls back and reports success: any statement before it tells.
const COMMIT: &str = "select 1; commit";
const IN_FAILED_TRANSACTION: &str = "25P02";

#[async_trait]
impl Driver for PostgresDriver {
    async fn run<'a>(&'a mut self, statement: &'a str, parameters: &'a [SqlValue]) -> Result<Running<'a>, Failure> {
        self.plain &= is_plain(statement);
        if !self.plain {
            // The statement before may have changed the types of prepared ones.
            self.connection.clear_cached_statements().await.map_err(statement_error)?;
        }
        // Asking first for the types that the statement wants is what lets a text be a date, and an integer a numeric.
        let sql = || AssertSqlSafe(statement.to_owned());
        let prepared = self.connection.prepare(sql().into_sql_str()).await.map_err(statement_error)?;
        let wanted = match prepared.parameters() {
            Some(Either::Left(types)) => types.to_vec(),
            Some(Either::Right(_)) | None => Vec::new(),
        };
        if wanted.len() != parameters.len() {
            return Err(refused(network::parameter_count(wanted.len(), parameters.len())));
        }
        let mut arguments = PgArguments::default();
        for (index, (value, wanted)) in parameters.iter().zip(&wanted).enumerate() {
            let encoded = encode::encode(value, wanted)
                .map_err(|reason| refused(SqlError::UnsupportedType(format!("parameter ${}: {reason}", index + 1))))?;
            sqlx::Arguments::add(&mut arguments, encoded)
                .map_err(|error| refused(SqlError::Other(error.to_string())))?;
        }
        let columns = prepared
            .columns()
            .iter()
            .map(|column| SqlColumn {
                name: column.name().to_owned(),
                type_name: column.type_info().name().to_lowercase(),
            })
            .collect();
        let connection: &mut PgConnection = &mut self.connection;
        let answers = connection.fetch_many(sqlx::query_with(sql(), arguments)).map(|answer| match answer {
            Ok(Either::Left(result)) => Ok(Answer::Changed(result.rows_affected())),
            Ok(Either::Right(row)) => Ok(Answer::Row(decode::decode(&row))),
            Err(error) => Err(statement_error(error)),
        });
        Ok(Running { columns, answers: answers.boxed() })
    }

    async fn transaction(&mut self, step: Step) -> Result<(), Failure> {
        network::check_step(step, self.in_transaction)?;
        let connection: &mut PgConnection = &mut self.connection;
        match step {
            Step::Begin => {
                connection.execute(sqlx::raw_sql("begin")).await.map_err(statement_error)?;
                self.in_transaction = true;
            }
            Step::Rollback => {
                self.in_transaction = false;
                connection.execute(sqlx::raw_sql("rollback")).await.map_err(statement_error)?;
            }
            Step::Commit => {
                self.in_transaction = false;
                let Err(error) = connection.execute(sqlx::raw_sql(COMMIT)).await else { return Ok(()) };
                let failure = statement_error(error);
                let SqlError::Database { code: Some(code), .. } = &failure.error else { return Err(failure) };
                if code != IN_FAILED_TRANSACTION {
                    return Err(failure);
                }
                connection.execute(sqlx::raw_sql("rollback")).await.map_err(statement_error)?;
                let message = "the transaction was rolled back, since a statement in it had failed".to_owned();
                return Err(refused(SqlError::Database { code: Some(code.clone()), message }));
            }
        }
        Ok(())
    }

    async fn give_back(mut self: Box<Self>) {
        let connection: &mut PgConnection = &mut self.connection;
        if self.plain
            && connection.execute(sqlx::raw_sql(RESET)).await.is_ok()
            && connection.clear_cached_statements().await.is_ok()
        {
            self.connection.give_back();
        }
    }

    async fn abandon(self: Box<Self>, statement: Option<String>) {
        let Self { connection, pool, backend, .. } = *self;
        drop(connection);
        let Some(statement) = statement else { return };
        // A server does not notice that its client has gone before it has rows to send. Through a proxy the process may
        // serve somebody else by now, so it must still be at our statement.
        let cancel = sqlx::query(
            "select pg_cancel_backend(pid) from pg_stat_activity \
             where pid = $1 and state = 'active' and left(query, 200) = left($2, 200)",
        );
        if let Err(error) = cancel.bind(backend).bind(statement).execute(&pool).await {
            tracing::debug!(%error, "a statement that nobody waits for could not be cancelled");
        }
    }
}
