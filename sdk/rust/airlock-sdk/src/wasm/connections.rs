use super::object;
use super::wit::connections as wit;
use crate::connections::{Connection, ConnectionError, Secret};

fn error(error: wit::ConnectionError) -> ConnectionError {
    match error {
        wit::ConnectionError::NotFound(text) => ConnectionError::NotFound(text),
        wit::ConnectionError::Denied(text) => ConnectionError::Denied(text),
        wit::ConnectionError::Other(text) => ConnectionError::Other(text),
    }
}

pub fn get(conn_id: &str) -> Result<Connection, ConnectionError> {
    let connection = wit::get(conn_id).map_err(error)?;
    Ok(Connection {
        conn_id: connection.conn_id,
        conn_type: connection.conn_type,
        description: connection.description,
        host: connection.host,
        login: connection.login,
        schema: connection.schema,
        port: connection.port,
        extra: object(&connection.extra),
    })
}

pub fn get_secret(conn_id: &str) -> Result<Secret, ConnectionError> {
    let secret = wit::get_secret(conn_id).map_err(error)?;
    Ok(Secret { password: secret.password, extra: object(&secret.extra) })
}
