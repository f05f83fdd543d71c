//! From the id of a connection to what is known of it.

use airlock_sandbox::capability::Caller;
use airlock_sandbox::capability::http::HttpError;
use airlock_sandbox::capability::object_store::ObjectError;
use airlock_sandbox::capability::sql::SqlError;
use airlock_sandbox::capability::task::{Connection, TaskServiceError};
use serde_json::Value;

use crate::Hooks;

/// Why there is no connection to be had, in words that all capabilities share.
pub(crate) enum Unavailable {
    Denied(String),
    NotFound(String),
    Other(String),
}

impl Hooks {
    /// The connection, if the caller has the grant to use it.
    pub(crate) async fn find(&self, caller: &Caller, conn_id: &str) -> Result<Connection, Unavailable> {
        caller.require(&format!("connections:use:{conn_id}")).map_err(Unavailable::Denied)?;
        self.connections.connection(caller.tenant, conn_id).await.map_err(|error| match error {
            TaskServiceError::NotFound(_) => Unavailable::NotFound(conn_id.to_owned()),
            other => Unavailable::Other(other.to_string()),
        })
    }
}

impl From<Unavailable> for SqlError {
    fn from(reason: Unavailable) -> Self {
        match reason {
            Unavailable::Denied(text) => Self::Denied(text),
            Unavailable::NotFound(conn_id) => Self::ConnectionNotFound(conn_id),
            Unavailable::Other(text) => Self::Other(text),
        }
    }
}

impl From<Unavailable> for HttpError {
    fn from(reason: Unavailable) -> Self {
        match reason {
            Unavailable::Denied(text) => Self::Denied(text),
            Unavailable::NotFound(conn_id) => Self::ConnectionNotFound(conn_id),
            Unavailable::Other(text) => Self::Other(text),
        }
    }
}

impl From<Unavailable> for ObjectError {
    fn from(reason: Unavailable) -> Self {
        match reason {
            Unavailable::Denied(text) => Self::Denied(text),
            Unavailable::NotFound(conn_id) => Self::ConnectionNotFound(conn_id),
            Unavailable::Other(text) => Self::Other(text),
        }
    }
}

/// A member of `extra` as text, where it is there and not empty; a number or a truth value is written as one.
pub(crate) fn extra_text(connection: &Connection, name: &str) -> Result<Option<String>, String> {
    match connection.extra.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(Value::Bool(flag)) => Ok(Some(flag.to_string())),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(Value::Array(_) | Value::Object(_)) => {
            Err(format!("connection `{}`: `extra.{name}` must be a text", connection.info.conn_id))
        }
    }
}

/// A member of `extra` as a truth value.
pub(crate) fn extra_flag(connection: &Connection, name: &str) -> Result<Option<bool>, String> {
    match extra_text(connection, name)?.as_deref().map(str::to_ascii_lowercase).as_deref() {
        None => Ok(None),
        Some("true" | "1" | "yes" | "on") => Ok(Some(true)),
        Some("false" | "0" | "no" | "off") => Ok(Some(false)),
        Some(_) => Err(format!("connection `{}`: `extra.{name}` must be true or false", connection.info.conn_id)),
    }
}

/// A field that is there and not blank.
pub(crate) fn filled(field: Option<&str>) -> Option<&str> {
    field.map(str::trim).filter(|text| !text.is_empty())
}

/// The secrets of a connection, to be taken out of texts that leave the host.
///
/// No error is built from a secret, but drivers, servers and URLs echo what they were given.
#[derive(Clone, Default)]
pub(crate) struct Secrets(Vec<String>);

/// Shorter ones would blot out ordinary words.
const SHORTEST_SECRET: usize = 4;

impl Secrets {
    pub(crate) fn of(connection: &Connection) -> Self {
        let mut found: Vec<String> = connection.password.iter().cloned().collect();
        for (name, value) in &connection.extra {
            // What the guest may read is no secret.
            if connection.info.extra.get(name) != Some(value) {
                texts_of(value, &mut found);
            }
        }
        let encoded: Vec<String> = found
            .iter()
            .map(|secret| percent_encoding::utf8_percent_encode(secret, percent_encoding::NON_ALPHANUMERIC).to_string())
            .collect();
        found.extend(encoded);
        found.retain(|secret| secret.len() >= SHORTEST_SECRET);
        // Longer ones first: one may be within another.
        found.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        found.dedup();
        Self(found)
    }

    pub(crate) fn mask(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "***"))
    }

    pub(crate) fn mask_sql(&self, error: SqlError) -> SqlError {
        match error {
            SqlError::Database { code, message } => SqlError::Database { code, message: self.mask(&message) },
            SqlError::Connect(text) => SqlError::Connect(self.mask(&text)),
            SqlError::Other(text) => SqlError::Other(self.mask(&text)),
            other => other,
        }
    }
}

fn texts_of(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| texts_of(value, found)),
        Value::Object(members) => members.values().for_each(|value| texts_of(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use airlock_sandbox::capability::task::ConnectionInfo;
    use serde_json::{Map, json};

    use super::*;

    /// A connection as the store would give it, of which `password` and all of `extra` are secret.
    pub(crate) fn connection(conn_type: &str, extra: Value) -> Connection {
        let Value::Object(extra) = extra else { panic!("extra is an object") };
        Connection {
            info: ConnectionInfo {
                conn_id: "test".to_owned(),
                conn_type: conn_type.to_owned(),
                description: None,
                host: None,
                login: None,
                schema: None,
                port: None,
                extra: Map::new(),
            },
            password: None,
            extra,
        }
    }

    #[test]
    fn secrets_are_taken_out_of_texts() {
        let mut connection =
            connection("http", json!({"token": "abcd/efgh", "deep": [{"key": "inner-key"}], "region": "north"}));
        connection.password = Some("hunter22".to_owned());
        connection.info.extra.insert("region".to_owned(), json!("north"));
        let secrets = Secrets::of(&connection);
        assert_eq!(
            secrets.mask("hunter22 at abcd%2Fefgh and abcd/efgh with inner-key in the north"),
            "*** at *** and *** with *** in the north"
        );
    }

    #[test]
    fn members_of_extra_are_read_by_their_meaning() {
        let connection = connection("s3", json!({"a": "x", "b": 7, "c": true, "d": "NO", "e": {}, "f": ""}));
        assert_eq!(extra_text(&connection, "a"), Ok(Some("x".to_owned())));
        assert_eq!(extra_text(&connection, "b"), Ok(Some("7".to_owned())));
        assert_eq!(extra_text(&connection, "f"), Ok(None));
        assert_eq!(extra_flag(&connection, "c"), Ok(Some(true)));
        assert_eq!(extra_flag(&connection, "d"), Ok(Some(false)));
        assert_eq!(extra_flag(&connection, "missing"), Ok(None));
        assert!(extra_text(&connection, "e").unwrap_err().contains("extra.e"));
        assert!(extra_flag(&connection, "a").unwrap_err().contains("true or false"));
    }
}
