//! The thread that owns a connection to a file for the time of one session.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use airlock_sandbox::capability::sql::{SqlError, SqlValue};
use rusqlite::{Connection, ErrorCode, OpenFlags, params_from_iter};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::values::{self, Parameter};
use super::{Access, Location, guard};
use crate::sql::network::parameter_count;
use crate::sql::session::{BATCH_BYTES, BATCH_ROWS, BATCHES, Command, Opened, Row, Step, size};

/// Instructions between two looks at whether anybody still waits: well under a millisecond.
const INSTRUCTIONS: i32 = 10_000;
/// How long a statement waits for another's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) struct Worker {
    connection: Connection,
    read_only: bool,
    statement_timeout: Duration,
    /// Until when the statement that runs may run.
    deadline: Arc<Mutex<Option<Instant>>>,
}

/// Opens the database, guarded. The session's end interrupts whatever runs on it.
pub(super) fn open(
    location: &Location,
    gone: CancellationToken,
    statement_timeout: Duration,
) -> Result<Worker, SqlError> {
    let opened = match location {
        Location::Memory => Connection::open_in_memory(),
        Location::File { path, access } => {
            let access = match access {
                Access::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
                Access::Write => OpenFlags::SQLITE_OPEN_READ_WRITE,
                Access::Create => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
            };
            // The path is the real one: a link in it was put there since.
            let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
            Connection::open_with_flags(path, flags)
        }
    };
    let connection = opened.map_err(connect_error)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(connect_error)?;
    guard::set_up(&connection, matches!(location, Location::Memory)).map_err(connect_error)?;
    let deadline: Arc<Mutex<Option<Instant>>> = Arc::default();
    let until = deadline.clone();
    let over = move || {
        let deadline = *until.lock().unwrap_or_else(PoisonError::into_inner);
        gone.is_cancelled() || deadline.is_some_and(|deadline| Instant::now() > deadline)
    };
    connection.progress_handler(INSTRUCTIONS, Some(over)).map_err(connect_error)?;
    let read_only = matches!(location, Location::File { access: Access::Read, .. });
    Ok(Worker { connection, read_only, statement_timeout, deadline })
}

impl Worker {
    /// Serves a session until its commands end. Closing the connection rolls back what is open.
    pub(super) fn serve(self, mut commands: mpsc::Receiver<Command>) {
        while let Some(command) = commands.blocking_recv() {
            // A reply that nobody takes belongs to a call that was given up.
            match command {
                Command::Query { statement, parameters, reply } => self.query(&statement, parameters, reply),
                Command::Execute { statement, parameters, reply } => {
                    drop(reply.send(self.execute(&statement, parameters)));
                }
                Command::Transaction { step, reply } => drop(reply.send(self.transaction(step))),
            }
        }
    }

    /// From now on, until [`Worker::pause`], time counts.
    fn resume(&self) {
        *self.deadline.lock().unwrap_or_else(PoisonError::into_inner) =
            Instant::now().checked_add(self.statement_timeout);
    }

    /// While the guest is slow to take rows, it is not the statement that takes long.
    fn pause(&self) {
        *self.deadline.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn execute(&self, statement: &str, parameters: Vec<SqlValue>) -> Result<u64, SqlError> {
        self.resume();
        let before = self.connection.total_changes();
        let mut statement = self.prepare(statement, &parameters)?;
        let mut rows =
            statement.query(params_from_iter(parameters.into_iter().map(Parameter))).map_err(statement_error)?;
        while rows.next().map_err(statement_error)?.is_some() {}
        // What a statement without changes leaves of the one before does not count.
        Ok(self.connection.total_changes().saturating_sub(before))
    }

    fn prepare(&self, statement: &str, parameters: &[SqlValue]) -> Result<rusqlite::Statement<'_>, SqlError> {
        let statement = self.connection.prepare(statement).map_err(statement_error)?;
        match statement.parameter_count() {
            wanted if wanted == parameters.len() => Ok(statement),
            wanted => Err(parameter_count(wanted, parameters.len())),
        }
    }

    /// Deferred transactions fail, rather than wait, when they come to write and another has written meanwhile: so a
    /// transaction that may write waits at its beginning.
    fn transaction(&self, step: Step) -> Result<(), SqlError> {
        self.resume();
        let open = !self.connection.is_autocommit();
        let statement = match step {
            Step::Begin if open => return Err(SqlError::Other("a transaction is open already".to_owned())),
            Step::Commit | Step::Rollback if !open => return Err(SqlError::Other("no transaction is open".to_owned())),
            Step::Begin if self.read_only => "begin",
            Step::Begin => "begin immediate",
            Step::Commit => "commit",
            Step::Rollback => "rollback",
        };
        self.connection.execute_batch(statement).map_err(statement_error)
    }

    fn query(&self, statement: &str, parameters: Vec<SqlValue>, reply: oneshot::Sender<Result<Opened, SqlError>>) {
        self.resume();
        let mut statement = match self.prepare(statement, &parameters) {
            Ok(statement) => statement,
            Err(error) => return drop(reply.send(Err(error))),
        };
        let columns = values::columns(&statement);
        let mut rows = match statement.query(params_from_iter(parameters.into_iter().map(Parameter))) {
            Ok(rows) => rows,
            Err(error) => return drop(reply.send(Err(statement_error(error)))),
        };
        let mut next_batch = || -> Result<Option<Vec<Row>>, SqlError> {
            self.resume();
            let mut batch = Vec::new();
            let mut bytes = 0;
            while batch.len() < BATCH_ROWS && bytes < BATCH_BYTES {
                let Some(row) = rows.next().map_err(statement_error)? else { break };
                let row = values::row(row, &columns)?;
                bytes += size(&row);
                batch.push(row);
            }
            self.pause();
            Ok(if batch.is_empty() { None } else { Some(batch) })
        };
        // The first rows come before the reply, so that most errors are the query's and not those of its rows.
        let mut next = match next_batch() {
            Ok(first) => first,
            Err(error) => return drop(reply.send(Err(error))),
        };
        let (sender, batches) = mpsc::channel(BATCHES);
        if reply.send(Ok(Opened { columns: columns.clone(), batches })).is_err() {
            return;
        }
        while let Some(batch) = next {
            if sender.blocking_send(Ok(batch)).is_err() {
                return;
            }
            next = match next_batch() {
                Ok(next) => next,
                Err(error) => return drop(sender.blocking_send(Err(error))),
            };
        }
    }
}

fn connect_error(error: rusqlite::Error) -> SqlError {
    SqlError::Connect(format!("cannot open the database file: {error}"))
}

fn statement_error(error: rusqlite::Error) -> SqlError {
    match error {
        rusqlite::Error::SqliteFailure(failure, message) => {
            let message = message.unwrap_or_else(|| failure.to_string());
            match failure.code {
                // Nobody sees the other reason to interrupt, which is that the session is gone.
                ErrorCode::OperationInterrupted => SqlError::Timeout,
                ErrorCode::AuthorizationForStatementDenied => guard::denial(&message),
                _ => SqlError::Database { code: Some(failure.extended_code.to_string()), message },
            }
        }
        rusqlite::Error::SqlInputError { error, msg, .. } => match error.code {
            ErrorCode::AuthorizationForStatementDenied => guard::denial(&msg),
            _ => SqlError::Database { code: Some(error.extended_code.to_string()), message: msg },
        },
        rusqlite::Error::MultipleStatement => SqlError::Database {
            code: None,
            message: "there is more than one statement; run them one after the other".to_owned(),
        },
        other => SqlError::Other(other.to_string()),
    }
}
