//! What PostgreSQL and MySQL have in common: where they are, and how a session on them starts.

use std::future::Future;
use std::sync::Arc;

use airlock_core::limits::Egress;
use airlock_sandbox::capability::sql::{SqlDialect, SqlError};
use airlock_sandbox::capability::task::Connection;
use airlock_sandbox::egress::Gate;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::relay::{Relay, Target};
use super::session::{Session, Step};
use super::worker::{self, Driver, Failure};
use crate::Options;
use crate::connection::{Secrets, extra_text, filled};

/// The way to a database over the network.
pub(super) struct Network {
    pub relay: Arc<Relay>,
    pub host: String,
    pub secrets: Secrets,
    pub options: Options,
}

impl Network {
    pub(super) fn new(
        connection: &Connection,
        default_port: u16,
        socket: &'static str,
        egress: &Arc<Egress>,
        gate: &Gate,
        options: &Options,
    ) -> Result<Self, SqlError> {
        let conn_id = &connection.info.conn_id;
        let host = filled(connection.info.host.as_deref())
            .ok_or_else(|| SqlError::Connect(format!("connection `{conn_id}` has no host")))?;
        // A driver takes a path for a socket on this machine.
        if host.contains(['/', '\\', '@']) {
            return Err(SqlError::Connect(format!("connection `{conn_id}`: `{host}` is no host name")));
        }
        let target = Target {
            host: host.to_owned(),
            port: connection.info.port.unwrap_or(default_port),
            gate: gate.clone(),
            egress: egress.clone(),
            connect_timeout: options.connect_timeout,
        };
        let relay = Relay::start(target, socket)
            .map_err(|error| SqlError::Connect(format!("cannot listen for the database driver: {error}")))?;
        Ok(Self {
            relay: Arc::new(relay),
            host: host.to_owned(),
            secrets: Secrets::of(connection),
            options: options.clone(),
        })
    }

    /// Starts the task that owns a connection, and waits until it has one.
    ///
    /// The driver connects within that task, so that a caller who gives up leaves nothing half done, and a driver that
    /// panics over a server's answer ends the task and nothing else.
    pub(super) async fn session(
        &self,
        dialect: SqlDialect,
        connect: impl Future<Output = Result<Box<dyn Driver>, SqlError>> + Send + 'static,
    ) -> Result<Session, SqlError> {
        let gone = CancellationToken::new();
        let (commands, receiver) = mpsc::channel(1);
        let session = Session::new(dialect, commands, gone.clone(), self.secrets.clone());
        let (ready, connected) = oneshot::channel();
        let statement_timeout = self.options.statement_timeout;
        let task = async move {
            let driver = tokio::select! {
                () = gone.cancelled() => return,
                driver = connect => driver,
            };
            match driver {
                Ok(driver) => {
                    drop(ready.send(Ok(())));
                    worker::serve(driver, receiver, gone, statement_timeout).await;
                }
                Err(error) => drop(ready.send(Err(error))),
            }
        };
        tokio::spawn(task.in_current_span());
        match connected.await {
            Ok(Ok(())) => Ok(session),
            Ok(Err(error)) => Err(self.secrets.mask_sql(error)),
            Err(_) => Err(SqlError::Connect("the database driver failed over the server's answer".to_owned())),
        }
    }
}

/// Why no connection was to be had: the relay's reason, where it has one.
pub(super) fn connect_error(error: sqlx::Error, relay: &Relay, options: &Options) -> SqlError {
    if let Some(failure) = relay.failure() {
        return failure;
    }
    match error {
        sqlx::Error::PoolTimedOut => SqlError::Connect(format!(
            "no session was free within {} seconds; {} may be open at once on one connection",
            options.connect_timeout.as_secs(),
            options.sessions_per_connection
        )),
        sqlx::Error::Database(error) => SqlError::Connect(error.message().to_owned()),
        other => SqlError::Connect(other.to_string()),
    }
}

/// An error of a statement. What is not the database's own answer leaves the connection in doubt.
pub(super) fn statement_error(error: sqlx::Error) -> Failure {
    match error {
        sqlx::Error::Database(error) => Failure {
            error: SqlError::Database {
                code: error.code().map(std::borrow::Cow::into_owned),
                message: error.message().to_owned(),
            },
            fatal: false,
        },
        other => Failure { error: SqlError::Other(other.to_string()), fatal: true },
    }
}

/// A statement that the guest got wrong before the database saw it.
pub(super) fn refused(error: SqlError) -> Failure {
    Failure { error, fatal: false }
}

/// The login of a connection: a driver without one takes the user that the host runs as.
pub(super) fn login(connection: &Connection) -> Result<&str, SqlError> {
    filled(connection.info.login.as_deref())
        .ok_or_else(|| SqlError::Connect(format!("connection `{}` has no login", connection.info.conn_id)))
}

pub(super) fn parameter_count(wanted: usize, given: usize) -> SqlError {
    SqlError::Database {
        code: None,
        message: format!("the statement takes {wanted} parameters, and {given} were given"),
    }
}

/// A transaction within a transaction would be taken for one, or commit the outer one, depending on the database.
pub(super) fn check_step(step: Step, in_transaction: bool) -> Result<(), Failure> {
    let wrong = match (step, in_transaction) {
        (Step::Begin, true) => "a transaction is open already",
        (Step::Commit | Step::Rollback, false) => "no transaction is open",
        (Step::Begin, false) | (Step::Commit | Step::Rollback, true) => return Ok(()),
    };
    Err(refused(SqlError::Other(wrong.to_owned())))
}

/// Certificates and keys as texts: a path would name a file of the host, which is none of the tenant's.
pub(super) fn pem(connection: &Connection, name: &str) -> Result<Option<String>, SqlError> {
    let Some(text) = extra_text(connection, name).map_err(SqlError::Connect)? else { return Ok(None) };
    if text.contains("-----BEGIN ") {
        Ok(Some(text))
    } else {
        Err(SqlError::Connect(format!(
            "connection `{}`: `extra.{name}` must be the PEM text itself, not the path of a file",
            connection.info.conn_id
        )))
    }
}

/// Whether a statement leaves nothing behind on its connection but what is taken back by a roll-back and a reset. After any
/// other (`set`, `use`, `lock tables`, `prepare` ...) the connection is closed rather than given to the next session.
pub(super) fn is_plain(statement: &str) -> bool {
    const PLAIN: [&str; 10] =
        ["select", "insert", "update", "delete", "replace", "merge", "with", "values", "table", "explain"];
    let word: String =
        statement.trim_start().chars().take_while(char::is_ascii_alphabetic).collect::<String>().to_ascii_lowercase();
    PLAIN.contains(&word.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_statements_that_leave_nothing_behind_are_plain() {
        for statement in
            ["select 1", "  INSERT into t values (1)", "\nwith x as (select 1) select * from x", "Select(1)"]
        {
            assert!(is_plain(statement), "{statement}");
        }
        for statement in ["set x = 1", "use other", "lock tables t write", "", "/* c */ select 1", "selection", "begin"]
        {
            assert!(!is_plain(statement), "{statement}");
        }
    }
}
