//! SQLite: files of the host, under the tenant's folders.
//!
//! Here the database runs inside our own process, so a statement must not reach for other files, for settings that all
//! databases of the process share, or for more memory than its share: [`guard`] sees to that. The server databases go over
//! `sqlx`; this goes over `rusqlite`, which has an authorizer and limits to offer in safe Rust.

mod guard;
mod values;
mod worker;

use std::path::PathBuf;
use std::sync::Arc;

use airlock_sandbox::capability::sql::{SqlDialect, SqlError};
use airlock_sandbox::capability::task::Connection;
use async_trait::async_trait;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::Database;
use super::session::Session;
use crate::connection::{Secrets, extra_text, filled};
use crate::{Options, folders};

/// Where a database lies.
#[derive(Clone)]
pub(super) enum Location {
    File {
        path: PathBuf,
        access: Access,
    },
    /// For one session alone, and gone with it.
    Memory,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
    /// Makes the file if it is not there.
    Create,
}

pub(super) struct Sqlite {
    location: Location,
    /// As many as there may be sessions: each has a thread of its own.
    permits: Arc<Semaphore>,
    secrets: Secrets,
    options: Options,
}

impl Sqlite {
    pub(super) fn new(connection: &Connection, host_folders: &[String], options: &Options) -> Result<Self, SqlError> {
        let conn_id = &connection.info.conn_id;
        let access = match extra_text(connection, "mode").map_err(SqlError::Connect)?.as_deref() {
            None | Some("rwc") => Access::Create,
            Some("rw") => Access::Write,
            Some("ro") => Access::Read,
            Some(_) => {
                return Err(SqlError::Connect(format!(
                    "connection `{conn_id}`: `extra.mode` must be one of rwc, rw, ro"
                )));
            }
        };
        let path = filled(connection.info.host.as_deref()).or_else(|| filled(connection.info.schema.as_deref()));
        let location = match path {
            None => {
                return Err(SqlError::Connect(format!("connection `{conn_id}` has no host, which is the file's path")));
            }
            Some(":memory:") => Location::Memory,
            Some(path) => {
                let path = folders::permitted(path, host_folders)
                    .map_err(|reason| SqlError::Denied(format!("connection `{conn_id}`: {reason}")))?;
                Location::File { path, access }
            }
        };
        Ok(Self {
            location,
            permits: Arc::new(Semaphore::new(options.sessions_per_connection as usize)),
            secrets: Secrets::of(connection),
            options: options.clone(),
        })
    }
}

#[async_trait]
impl Database for Sqlite {
    async fn session(&self) -> Result<Session, SqlError> {
        let permit = timeout(self.options.connect_timeout, self.permits.clone().acquire_owned())
            .await
            .ok()
            .and_then(Result::ok)
            .ok_or_else(|| {
                SqlError::Connect(format!(
                    "no session was free within {} seconds; {} may be open at once on one connection",
                    self.options.connect_timeout.as_secs(),
                    self.options.sessions_per_connection
                ))
            })?;
        let gone = CancellationToken::new();
        let (commands, receiver) = mpsc::channel(1);
        let session = Session::new(SqlDialect::Sqlite, commands, gone.clone(), self.secrets.clone());
        let (ready, opened) = oneshot::channel();
        let (location, statement_timeout) = (self.location.clone(), self.options.statement_timeout);
        std::thread::Builder::new()
            .name("sqlite-session".to_owned())
            .spawn(move || {
                match worker::open(&location, gone, statement_timeout) {
                    Ok(worker) => {
                        drop(ready.send(Ok(())));
                        worker.serve(receiver);
                    }
                    Err(error) => drop(ready.send(Err(error))),
                }
                drop(permit);
            })
            .map_err(|error| SqlError::Connect(format!("cannot start a thread for the session: {error}")))?;
        opened.await.map_err(|_| SqlError::Connect("the session's thread failed".to_owned()))??;
        Ok(session)
    }
}
