//! The task that owns a connection to a network database for the time of one session.

use std::time::Duration;

use airlock_sandbox::capability::sql::{SqlColumn, SqlError, SqlValue};
use async_trait::async_trait;
use futures::future::FutureExt;
use futures::stream::{BoxStream, StreamExt};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::session::{BATCH_BYTES, BATCH_ROWS, BATCHES, Command, Opened, Row, Step, size};

/// What a statement answers.
pub(super) enum Answer {
    /// An error names a column whose type cannot be carried.
    Row(Result<Row, SqlError>),
    /// Rows that it changed.
    Changed(u64),
}

/// A statement that runs.
pub(super) struct Running<'a> {
    pub columns: Vec<SqlColumn>,
    pub answers: BoxStream<'a, Result<Answer, Failure>>,
}

/// An error of a statement.
pub(super) struct Failure {
    pub error: SqlError,
    /// The connection is of no use any more.
    pub fatal: bool,
}

/// What this task needs of a database.
#[async_trait]
pub(super) trait Driver: Send {
    async fn run<'a>(&'a mut self, statement: &'a str, parameters: &'a [SqlValue]) -> Result<Running<'a>, Failure>;
    async fn transaction(&mut self, step: Step) -> Result<(), Failure>;
    /// Rolls back, takes back what a session may have set, and gives the connection to the pool.
    async fn give_back(self: Box<Self>);
    /// Closes the connection, and tells the database to end `statement` if it still runs.
    async fn abandon(self: Box<Self>, statement: Option<String>);
}

/// How long a session's end may take, before the connection is closed instead.
const FAREWELL: Duration = Duration::from_secs(10);

/// What became of the connection.
enum End {
    Clean,
    /// A statement is under way, or rows of one are unread.
    Unfinished(String),
    Broken,
}

/// Serves a session until its commands end or `gone` is cancelled.
pub(super) async fn serve(
    mut driver: Box<dyn Driver>,
    mut commands: mpsc::Receiver<Command>,
    gone: CancellationToken,
    statement_timeout: Duration,
) {
    let mut unread = None;
    let end = loop {
        let command = tokio::select! {
            biased;
            () = gone.cancelled() => None,
            command = commands.recv() => command,
        };
        let Some(command) = command else { break unread.map_or(End::Clean, End::Unfinished) };
        let statement = match &command {
            Command::Query { statement, .. } | Command::Execute { statement, .. } => statement.clone(),
            Command::Transaction { .. } => String::new(),
        };
        let state = tokio::select! {
            biased;
            () = gone.cancelled() => break End::Unfinished(statement),
            state = obey(driver.as_mut(), command, statement_timeout) => state,
        };
        match state {
            State::Ready => unread = None,
            State::Unread => unread = Some(statement),
            State::TimedOut => break End::Unfinished(statement),
            State::Broken => break End::Broken,
        }
    };
    // Whoever still sends is told at once that the session is closed, and does not wait for the farewell.
    drop(commands);
    let farewell = match end {
        End::Clean => driver.give_back(),
        End::Unfinished(statement) => driver.abandon(Some(statement)),
        End::Broken => driver.abandon(None),
    };
    // A connection whose farewell takes too long is closed by being dropped.
    drop(timeout(FAREWELL, farewell).await);
}

/// In what state a command leaves the connection.
enum State {
    Ready,
    Unread,
    TimedOut,
    Broken,
}

impl State {
    fn after(failure: &Failure) -> Self {
        match (&failure.error, failure.fatal) {
            (SqlError::Timeout, _) => Self::TimedOut,
            // Ours and not the database's, which has more to send.
            (SqlError::UnsupportedType(_), false) => Self::Unread,
            (_, true) => Self::Broken,
            (_, false) => Self::Ready,
        }
    }
}

const TIMED_OUT: Failure = Failure { error: SqlError::Timeout, fatal: true };

async fn obey(driver: &mut dyn Driver, command: Command, limit: Duration) -> State {
    match command {
        Command::Query { statement, parameters, reply } => query(driver, &statement, &parameters, reply, limit).await,
        Command::Execute { statement, parameters, reply } => {
            let changed = timeout(limit, execute(driver, &statement, &parameters)).await.unwrap_or(Err(TIMED_OUT));
            answer(reply, changed)
        }
        Command::Transaction { step, reply } => {
            let done = timeout(limit, driver.transaction(step)).await.unwrap_or(Err(TIMED_OUT));
            answer(reply, done)
        }
    }
}

/// A reply that nobody takes belongs to a call that was given up: the session's own end follows.
fn answer<T>(reply: oneshot::Sender<Result<T, SqlError>>, result: Result<T, Failure>) -> State {
    let state = result.as_ref().map_or_else(State::after, |_| State::Ready);
    drop(reply.send(result.map_err(|failure| failure.error)));
    state
}

async fn execute(driver: &mut dyn Driver, statement: &str, parameters: &[SqlValue]) -> Result<u64, Failure> {
    let mut running = driver.run(statement, parameters).await?;
    let mut changed = 0;
    while let Some(answer) = running.answers.next().await {
        if let Answer::Changed(rows) = answer? {
            changed += rows;
        }
    }
    Ok(changed)
}

async fn query(
    driver: &mut dyn Driver,
    statement: &str,
    parameters: &[SqlValue],
    reply: oneshot::Sender<Result<Opened, SqlError>>,
    limit: Duration,
) -> State {
    let started = timeout(limit, async {
        let mut running = driver.run(statement, parameters).await?;
        // The first rows come with the reply, so that most errors are the query's and not those of its rows.
        let first = batch(&mut running.answers).await?;
        Ok((running, first))
    });
    let (mut running, first) = match started.await.unwrap_or(Err(TIMED_OUT)) {
        Ok(started) => started,
        Err(failure) => return answer(reply, Err(failure)),
    };
    let (sender, batches) = mpsc::channel(BATCHES);
    let opened = Opened { columns: std::mem::take(&mut running.columns), batches };
    if reply.send(Ok(opened)).is_err() {
        return State::Unread;
    }
    let mut next = first;
    while let Some(rows) = next {
        if sender.send(Ok(rows)).await.is_err() {
            return State::Unread;
        }
        next = match timeout(limit, batch(&mut running.answers)).await.unwrap_or(Err(TIMED_OUT)) {
            Ok(next) => next,
            Err(failure) => {
                let state = State::after(&failure);
                drop(sender.send(Err(failure.error)).await);
                return state;
            }
        };
    }
    State::Ready
}

/// Waits for a row, and takes with it those that are there already; none at the end.
async fn batch(answers: &mut BoxStream<'_, Result<Answer, Failure>>) -> Result<Option<Vec<Row>>, Failure> {
    let mut rows = Vec::new();
    let mut bytes = 0;
    while rows.len() < BATCH_ROWS && bytes < BATCH_BYTES {
        let answer = if rows.is_empty() {
            answers.next().await
        } else {
            match answers.next().now_or_never() {
                Some(answer) => answer,
                None => break,
            }
        };
        match answer {
            Some(Ok(Answer::Row(row))) => {
                let row = row.map_err(|error| Failure { error, fatal: false })?;
                bytes += size(&row);
                rows.push(row);
            }
            Some(Ok(Answer::Changed(_))) => {}
            // The rows before the error are lost with it: the statement failed as a whole.
            Some(Err(failure)) => return Err(failure),
            None => break,
        }
    }
    Ok(if rows.is_empty() { None } else { Some(rows) })
}
