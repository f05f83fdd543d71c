use serde_json::Value;

use crate::bindings::airlock::operator::connections::{self, ConnectionError, Host, Secret};
use crate::capability::task::TaskServiceError;
use crate::run::state::CallState;

impl From<TaskServiceError> for ConnectionError {
    fn from(error: TaskServiceError) -> Self {
        match error {
            TaskServiceError::NotFound(text) => Self::NotFound(text),
            TaskServiceError::TooLarge(_) | TaskServiceError::Other(_) => Self::Other(error.to_string()),
        }
    }
}

impl Host for CallState {
    async fn get(&mut self, conn_id: String) -> wasmtime::Result<Result<connections::Connection, ConnectionError>> {
        self.host_calls += 1;
        if let Err(denied) = self.caller.require(&format!("connections:use:{conn_id}")) {
            return Ok(Err(ConnectionError::Denied(denied)));
        }
        let connection = self.capabilities.task.connection(&conn_id).await;
        Ok(connection
            .map(|connection| {
                let info = connection.info;
                connections::Connection {
                    conn_id: info.conn_id,
                    conn_type: info.conn_type,
                    description: info.description,
                    host: info.host,
                    login: info.login,
                    schema: info.schema,
                    port: info.port,
                    extra: Value::Object(info.extra).to_string(),
                }
            })
            .map_err(Into::into))
    }

    async fn get_secret(&mut self, conn_id: String) -> wasmtime::Result<Result<Secret, ConnectionError>> {
        self.host_calls += 1;
        if let Err(denied) = self.caller.require(&format!("connections:secret:{conn_id}")) {
            return Ok(Err(ConnectionError::Denied(denied)));
        }
        let connection = self.capabilities.task.connection(&conn_id).await;
        Ok(connection
            .map(|connection| Secret {
                password: connection.password,
                extra: Value::Object(connection.extra).to_string(),
            })
            .map_err(Into::into))
    }
}
