//! Whether a connection works: what `POST /connections/test` asks.

use std::time::Duration;

use airlock_sandbox::capability::Caller;
use airlock_sandbox::capability::task::Connection;

use crate::connection::Secrets;
use crate::{Hooks, http, object_store, sql};

/// Somebody waits for the answer, in front of a request that itself may take half a minute.
const PATIENCE: Duration = Duration::from_secs(20);

impl Hooks {
    /// Connects for real, logs in and asks for something small: an answer of the database, the base URL, one object's name.
    ///
    /// Of the caller, only the tenant and its policy count: it is an administrator who asks, and no task.
    ///
    /// # Errors
    /// A sentence for people that says what went wrong, without secrets.
    pub async fn test_connection(&self, caller: &Caller, connection: &Connection) -> Result<String, String> {
        let answer = tokio::time::timeout(PATIENCE, self.ask(caller, connection)).await;
        let answer = answer.unwrap_or_else(|_| Err(format!("there was no answer within {} s", PATIENCE.as_secs())));
        answer.map_err(|error| Secrets::of(connection).mask(&error))
    }

    async fn ask(&self, caller: &Caller, connection: &Connection) -> Result<String, String> {
        let conn_type = connection.info.conn_type.as_str();
        if sql::TYPES.contains(&conn_type) {
            self.test_database(caller, connection).await.map_err(|error| error.to_string())
        } else if http::TYPES.contains(&conn_type) {
            self.test_http(caller, connection).await.map_err(|error| error.to_string())
        } else if object_store::TYPES.contains(&conn_type) {
            self.test_object_store(caller, connection).await.map_err(|error| error.to_string())
        } else {
            let known = [sql::TYPES.as_slice(), &http::TYPES, &object_store::TYPES].concat().join("`, `");
            Err(format!("a connection of type `{conn_type}` cannot be tested; the types that can are `{known}`"))
        }
    }
}
