//! MySQL and MariaDB.

mod values;

use std::sync::Arc;

use airlock_core::limits::Egress;
use airlock_sandbox::capability::sql::{SqlColumn, SqlDialect, SqlError, SqlValue};
use airlock_sandbox::capability::task::Connection;
use airlock_sandbox::egress::Gate;
use async_trait::async_trait;
use futures::stream::StreamExt;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlPool, MySqlPoolOptions, MySqlSslMode};
use sqlx::{AssertSqlSafe, Column, ConnectOptions, Either, Executor, MySql, Row as _, SqlSafeStr, Statement, TypeInfo};

use super::Database;
use super::leased::Leased;
use super::network::{self, Network, connect_error, is_plain, pem, refused, statement_error};
use super::session::{Session, Step};
use super::worker::{Answer, Driver, Failure, Running};
use crate::Options;
use crate::connection::{extra_text, filled};

const DEFAULT_PORT: u16 = 3306;
const SOCKET: &str = "mysql.sock";

pub(super) struct Mysql {
    network: Network,
    pool: MySqlPool,
}

impl Mysql {
    pub(super) fn new(
        connection: &Connection,
        egress: &Arc<Egress>,
        gate: &Gate,
        options: &Options,
    ) -> Result<Self, SqlError> {
        let network = Network::new(connection, DEFAULT_PORT, SOCKET, egress, gate, options)?;
        let mut connect = MySqlConnectOptions::new()
            .host(&network.host)
            .socket(network.relay.socket())
            .username(network::login(connection)?)
            .password(connection.password.as_deref().unwrap_or_default())
            .ssl_mode(ssl_mode(connection)?)
            // The driver would change the SQL that the server understands.
            .pipes_as_concat(false)
            .no_engine_substitution(false)
            // Statements may hold what is nobody's business.
            .disable_statement_logging();
        if let Some(database) = filled(connection.info.schema.as_deref()) {
            connect = connect.database(database);
        }
        if let Some(charset) = extra_text(connection, "charset").map_err(SqlError::Connect)? {
            connect = connect.charset(&charset);
        }
        if let Some(certificate) = pem(connection, "ssl_ca")? {
            connect = connect.ssl_ca_from_pem(certificate.into_bytes());
        }
        if let (Some(certificate), Some(key)) = (pem(connection, "ssl_cert")?, pem(connection, "ssl_key")?) {
            connect = connect.ssl_client_cert_from_pem(certificate).ssl_client_key_from_pem(key);
        }
        let pool = MySqlPoolOptions::new()
            .max_connections(options.sessions_per_connection)
            .acquire_timeout(options.connect_timeout)
            .idle_timeout(options.idle_timeout)
            .connect_lazy_with(connect);
        Ok(Self { network, pool })
    }
}

/// `ssl_mode` is MySQL's word, `sslmode` what connections of PostgreSQL say.
fn ssl_mode(connection: &Connection) -> Result<MySqlSslMode, SqlError> {
    let mode = match extra_text(connection, "ssl_mode").map_err(SqlError::Connect)? {
        Some(mode) => Some(mode),
        None => extra_text(connection, "sslmode").map_err(SqlError::Connect)?,
    };
    match mode.as_deref().unwrap_or("preferred").to_ascii_lowercase().replace('-', "_").as_str() {
        "disabled" | "disable" => Ok(MySqlSslMode::Disabled),
        "preferred" | "prefer" => Ok(MySqlSslMode::Preferred),
        "required" | "require" => Ok(MySqlSslMode::Required),
        "verify_ca" => Ok(MySqlSslMode::VerifyCa),
        "verify_identity" | "verify_full" => Ok(MySqlSslMode::VerifyIdentity),
        _ => Err(SqlError::Connect(format!(
            "connection `{}`: `extra.ssl_mode` must be one of disabled, preferred, required, verify_ca, verify_identity",
            connection.info.conn_id
        ))),
    }
}

#[async_trait]
impl Database for Mysql {
    async fn session(&self) -> Result<Session, SqlError> {
        let (pool, relay, options) = (self.pool.clone(), self.network.relay.clone(), self.network.options.clone());
        let connect = async move {
            let connected = async {
                let mut connection = Leased::new(pool.acquire().await?);
                let answer = connection.fetch_one(sqlx::raw_sql("select cast(connection_id() as signed)")).await?;
                let thread = answer.try_get(0)?;
                Ok(MysqlDriver { connection, pool, thread, in_transaction: false, plain: true })
            };
            match connected.await {
                Ok(driver) => Ok(Box::new(driver) as Box<dyn Driver>),
                Err(error) => Err(connect_error(error, &relay, &options)),
            }
        };
        self.network.session(SqlDialect::Mysql, connect).await
    }
}

struct MysqlDriver {
    connection: Leased<MySql>,
    pool: MySqlPool,
    /// The server's thread that serves this connection.
    thread: i64,
    in_transaction: bool,
    /// Every statement so far was; see [`is_plain`].
    plain: bool,
}

/// "This command is not supported in the prepared statement protocol yet".
const UNPREPARABLE: u16 = 1295;

#[async_trait]
impl Driver for MysqlDriver {
    async fn run<'a>(&'a mut self, statement: &'a str, parameters: &'a [SqlValue]) -> Result<Running<'a>, Failure> {
        self.plain &= is_plain(statement);
        let sql = || AssertSqlSafe(statement.to_owned());
        let connection: &mut MySqlConnection = &mut self.connection;
        let prepared = match connection.prepare(sql().into_sql_str()).await {
            Ok(prepared) => Some(prepared),
            Err(sqlx::Error::Database(error))
                if error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>().map(|error| error.number())
                    == Some(UNPREPARABLE) =>
            {
                None
            }
            Err(error) => return Err(statement_error(error)),
        };
        let wanted = match prepared.as_ref().and_then(Statement::parameters) {
            Some(Either::Right(count)) => count,
            Some(Either::Left(types)) => types.len(),
            None => 0,
        };
        if wanted != parameters.len() {
            return Err(refused(network::parameter_count(wanted, parameters.len())));
        }
        let columns =
            prepared.as_ref().map(|prepared| prepared.columns().iter().map(column).collect()).unwrap_or_default();
        let answers = if prepared.is_some() {
            let arguments = values::arguments(parameters).map_err(refused)?;
            connection.fetch_many(sqlx::query_with(sql(), arguments))
        } else {
            connection.fetch_many(sqlx::raw_sql(sql()))
        };
        let answers = answers.map(|answer| match answer {
            Ok(Either::Left(result)) => Ok(Answer::Changed(result.rows_affected())),
            Ok(Either::Right(row)) => Ok(Answer::Row(values::decode(&row))),
            Err(error) => Err(statement_error(error)),
        });
        Ok(Running { columns, answers: answers.boxed() })
    }

    async fn transaction(&mut self, step: Step) -> Result<(), Failure> {
        network::check_step(step, self.in_transaction)?;
        self.in_transaction = step == Step::Begin;
        let statement = match step {
            Step::Begin => "start transaction",
            Step::Commit => "commit",
            Step::Rollback => "rollback",
        };
        self.connection.execute(sqlx::raw_sql(statement)).await.map_err(statement_error)?;
        Ok(())
    }

    async fn give_back(mut self: Box<Self>) {
        // Locks by name are the one thing that a plain statement can take and a roll-back does not give back.
        if self.plain && self.connection.execute(sqlx::raw_sql("rollback; do release_all_locks()")).await.is_ok() {
            self.connection.give_back();
        }
    }

    async fn abandon(self: Box<Self>, statement: Option<String>) {
        let Self { connection, pool, thread, .. } = *self;
        drop(connection);
        let Some(statement) = statement else { return };
        let cancel = async {
            // Through a proxy the thread may serve somebody else by now, so it must still be at our statement.
            let still =
                "select count(*) from information_schema.processlist where id = ? and left(info, 200) = left(?, 200)";
            let running: i64 = sqlx::query_scalar(still).bind(thread).bind(statement).fetch_one(&pool).await?;
            if running > 0 {
                pool.execute(sqlx::raw_sql(AssertSqlSafe(format!("kill query {thread}")))).await?;
            }
            Ok::<_, sqlx::Error>(())
        };
        if let Err(error) = cancel.await {
            tracing::debug!(%error, "a statement that nobody waits for could not be cancelled");
        }
    }
}

fn column(column: &sqlx::mysql::MySqlColumn) -> SqlColumn {
    SqlColumn { name: column.name().to_owned(), type_name: column.type_info().name().to_lowercase() }
}
