//! A session and its rows, as the guest's side sees them.
//!
//! The connection itself belongs to a task (to a thread, for SQLite) that takes commands: so rows can outlive the call that
//! asked for them, and whatever ends the try, dropping the session ends the task, which rolls back.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use airlock_sandbox::capability::sql::{SqlColumn, SqlDialect, SqlError, SqlRows, SqlSession, SqlValue};
use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::connection::Secrets;

pub(super) type Row = Vec<SqlValue>;

/// Rows on their way from the connection's task; an error ends them.
pub(super) type Batches = mpsc::Receiver<Result<Vec<Row>, SqlError>>;

/// Batches that may wait for the guest.
pub(super) const BATCHES: usize = 2;
/// Rows of a batch.
pub(super) const BATCH_ROWS: usize = 256;
/// About the most bytes of a batch; one row may pass it.
pub(super) const BATCH_BYTES: usize = 128 << 10;

pub(super) enum Command {
    Query { statement: String, parameters: Vec<SqlValue>, reply: oneshot::Sender<Result<Opened, SqlError>> },
    Execute { statement: String, parameters: Vec<SqlValue>, reply: oneshot::Sender<Result<u64, SqlError>> },
    Transaction { step: Step, reply: oneshot::Sender<Result<(), SqlError>> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Begin,
    Commit,
    Rollback,
}

/// A query that has begun to answer.
pub(super) struct Opened {
    pub columns: Vec<SqlColumn>,
    pub batches: Batches,
}

/// The guest's end of the line to a connection's task.
struct Line {
    commands: mpsc::Sender<Command>,
    /// Rows of a query are open.
    busy: AtomicBool,
    secrets: Secrets,
    /// Tells the task that nobody waits any more, in the middle of a statement too.
    _gone: DropGuard,
}

impl Line {
    async fn send<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T, SqlError>>) -> Command,
    ) -> Result<T, SqlError> {
        if self.busy.load(Ordering::Acquire) {
            return Err(SqlError::Busy);
        }
        let closed = || SqlError::Other("the session has ended with an earlier error; open another".to_owned());
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?.map_err(|error| self.secrets.mask_sql(error))
    }
}

pub(super) struct Session {
    dialect: SqlDialect,
    line: Arc<Line>,
}

impl Session {
    /// A session on the task behind `commands`, which ends when `gone` is cancelled.
    pub(super) fn new(
        dialect: SqlDialect,
        commands: mpsc::Sender<Command>,
        gone: CancellationToken,
        secrets: Secrets,
    ) -> Self {
        let line = Line { commands, busy: AtomicBool::new(false), secrets, _gone: gone.drop_guard() };
        Self { dialect, line: Arc::new(line) }
    }
}

#[async_trait]
impl SqlSession for Session {
    fn dialect(&self) -> SqlDialect {
        self.dialect
    }

    async fn query(&self, statement: String, parameters: Vec<SqlValue>) -> Result<Box<dyn SqlRows>, SqlError> {
        let opened = self.line.send(|reply| Command::Query { statement, parameters, reply }).await?;
        self.line.busy.store(true, Ordering::Release);
        Ok(Box::new(Rows {
            columns: opened.columns,
            open: Some(Open { batches: opened.batches, _held: Held(self.line.clone()) }),
            waiting: VecDeque::new(),
            failure: None,
            secrets: self.line.secrets.clone(),
        }))
    }

    async fn execute(&self, statement: String, parameters: Vec<SqlValue>) -> Result<u64, SqlError> {
        self.line.send(|reply| Command::Execute { statement, parameters, reply }).await
    }

    async fn begin(&self) -> Result<(), SqlError> {
        self.line.send(|reply| Command::Transaction { step: Step::Begin, reply }).await
    }

    async fn commit(&self) -> Result<(), SqlError> {
        self.line.send(|reply| Command::Transaction { step: Step::Commit, reply }).await
    }

    async fn rollback(&self) -> Result<(), SqlError> {
        self.line.send(|reply| Command::Transaction { step: Step::Rollback, reply }).await
    }
}

/// Keeps the session busy, and alive, for as long as its rows are open.
struct Held(Arc<Line>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.busy.store(false, Ordering::Release);
    }
}

struct Open {
    batches: Batches,
    /// After `batches`: the session is free only once the task can see that nobody reads.
    _held: Held,
}

struct Rows {
    columns: Vec<SqlColumn>,
    /// None at the end.
    open: Option<Open>,
    waiting: VecDeque<Row>,
    /// An error that came after rows that are handed out first.
    failure: Option<SqlError>,
    secrets: Secrets,
}

impl Rows {
    fn take(&mut self, batch: Option<Result<Vec<Row>, SqlError>>) {
        match batch {
            Some(Ok(rows)) => self.waiting.extend(rows),
            Some(Err(error)) => {
                self.failure = Some(self.secrets.mask_sql(error));
                self.open = None;
            }
            None => self.open = None,
        }
    }
}

#[async_trait]
impl SqlRows for Rows {
    fn columns(&self) -> &[SqlColumn] {
        &self.columns
    }

    async fn next(&mut self, max_rows: usize, max_bytes: usize) -> Result<Vec<Row>, SqlError> {
        while self.waiting.is_empty()
            && let Some(open) = &mut self.open
        {
            let batch = open.batches.recv().await;
            self.take(batch);
        }
        // What has come meanwhile goes with it; the rest can wait.
        while self.waiting.len() < max_rows
            && let Some(open) = &mut self.open
        {
            match open.batches.try_recv() {
                Ok(batch) => self.take(Some(batch)),
                Err(mpsc::error::TryRecvError::Empty) => break,
                Err(mpsc::error::TryRecvError::Disconnected) => self.take(None),
            }
        }
        let mut rows = Vec::new();
        let mut bytes = 0;
        while rows.len() < max_rows.max(1)
            && let Some(row) = self.waiting.front()
        {
            bytes += size(row);
            if !rows.is_empty() && bytes > max_bytes {
                break;
            }
            rows.extend(self.waiting.pop_front());
        }
        match self.failure.take() {
            Some(failure) if rows.is_empty() => Err(failure),
            failure => {
                self.failure = failure;
                Ok(rows)
            }
        }
    }
}

/// About the bytes that a row takes on its way to a guest.
pub(super) fn size(row: &[SqlValue]) -> usize {
    const OVERHEAD: usize = 16;
    row.iter()
        .map(|value| {
            OVERHEAD
                + match value {
                    SqlValue::Null | SqlValue::Boolean(_) | SqlValue::Integer(_) | SqlValue::Float(_) => 0,
                    SqlValue::Bytes(bytes) => bytes.len(),
                    SqlValue::Decimal(text)
                    | SqlValue::Text(text)
                    | SqlValue::Timestamp(text)
                    | SqlValue::Date(text)
                    | SqlValue::Time(text)
                    | SqlValue::Datetime(text)
                    | SqlValue::Json(text)
                    | SqlValue::Uuid(text) => text.len(),
                }
        })
        .sum()
}
