//! SQL over PostgreSQL, MySQL, MariaDB and SQLite.

mod leased;
mod mysql;
mod network;
mod postgres;
mod relay;
mod session;
mod sqlite;
mod text;
mod worker;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use airlock_core::id::TenantId;
use airlock_core::limits::Egress;
use airlock_sandbox::capability::Caller;
use airlock_sandbox::capability::sql::{SqlError, SqlHook, SqlSession};
use airlock_sandbox::capability::task::Connection;
use async_trait::async_trait;

use crate::Hooks;
use session::Session;

/// One database, as one connection names it.
#[async_trait]
trait Database: Send + Sync {
    async fn session(&self) -> Result<Session, SqlError>;
}

/// The databases that are in use, each with its pool.
#[derive(Default)]
pub(crate) struct Databases(Mutex<HashMap<(TenantId, String), Entry>>);

struct Entry {
    made_of: MadeOf,
    database: Arc<dyn Database>,
    last_used: Instant,
}

/// All that a pool depends on: when any of it changes, the pool is made anew, and sessions of the old one end in peace.
#[derive(Clone, PartialEq)]
struct MadeOf {
    connection: Connection,
    egress: Arc<Egress>,
    host_folders: Arc<Vec<String>>,
}

/// The types of connection that speak SQL.
pub(crate) const TYPES: [&str; 5] = ["postgres", "postgresql", "mysql", "mariadb", "sqlite"];

impl Hooks {
    fn database(&self, caller: &Caller, connection: Connection) -> Result<Arc<dyn Database>, SqlError> {
        let key = (caller.tenant, connection.info.conn_id.clone());
        let made_of = MadeOf { connection, egress: caller.egress.clone(), host_folders: caller.host_folders.clone() };
        let mut databases = self.databases.0.lock().unwrap_or_else(PoisonError::into_inner);
        let idle_timeout = self.options.idle_timeout;
        databases.retain(|other, entry| *other == key || entry.last_used.elapsed() < idle_timeout);
        if let Some(entry) = databases.get_mut(&key)
            && entry.made_of == made_of
        {
            entry.last_used = Instant::now();
            return Ok(entry.database.clone());
        }
        let database = self.make_database(&made_of)?;
        databases.insert(key, Entry { made_of, database: database.clone(), last_used: Instant::now() });
        Ok(database)
    }

    fn make_database(&self, made_of: &MadeOf) -> Result<Arc<dyn Database>, SqlError> {
        let MadeOf { connection, egress, host_folders } = made_of;
        match connection.info.conn_type.as_str() {
            "postgres" | "postgresql" => {
                Ok(Arc::new(postgres::Postgres::new(connection, egress, &self.gate, &self.options)?))
            }
            "mysql" | "mariadb" => Ok(Arc::new(mysql::Mysql::new(connection, egress, &self.gate, &self.options)?)),
            "sqlite" => Ok(Arc::new(sqlite::Sqlite::new(connection, host_folders, &self.options)?)),
            other => Err(SqlError::WrongType(format!(
                "connection `{}` is of type `{other}`; SQL needs one of `postgres`, `mysql` and `sqlite`",
                connection.info.conn_id
            ))),
        }
    }

    /// Opens a session on a connection that need not be stored, and asks it for nothing but an answer.
    pub(crate) async fn test_database(&self, caller: &Caller, connection: &Connection) -> Result<String, SqlError> {
        let made_of = MadeOf {
            connection: connection.clone(),
            egress: caller.egress.clone(),
            host_folders: caller.host_folders.clone(),
        };
        let session = self.make_database(&made_of)?.session().await?;
        session.query("select 1".to_owned(), Vec::new()).await?;
        Ok("the database answers".to_owned())
    }
}

#[async_trait]
impl SqlHook for Hooks {
    #[tracing::instrument(name = "hooks.sql.open", skip_all, fields(tenant.id = %caller.tenant, conn.id = conn_id))]
    async fn open(&self, caller: &Caller, conn_id: &str) -> Result<Box<dyn SqlSession>, SqlError> {
        let connection = self.find(caller, conn_id).await?;
        let session = self.database(caller, connection)?.session().await?;
        Ok(Box::new(session))
    }
}
