//! `airlock connections`.

use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};

use super::{Client, Collection, Session, given};
use crate::cli::{ConnectionsCommand, SetConnection};
use crate::commands::{ask, dags};
use crate::failure::Failure;

const CONNECTIONS: Collection = Collection {
    noun: "connection",
    path: "/api/v2/connections",
    member: "connections",
    id: "connection_id",
    columns: &[
        ("CONNECTION", "/connection_id"),
        ("TYPE", "/conn_type"),
        ("HOST", "/host"),
        ("PORT", "/port"),
        ("LOGIN", "/login"),
        ("SCHEMA", "/schema"),
        ("EXTRA", "/extra"),
        ("DESCRIPTION", "/description"),
    ],
    fields: &["conn_type", "description", "host", "port", "login", "schema", "extra"],
};

pub async fn run(command: ConnectionsCommand, session: &Session) -> Result<()> {
    match command {
        ConnectionsCommand::List => CONNECTIONS.list(session).await,
        ConnectionsCommand::Get { conn_id } => CONNECTIONS.get(&conn_id, session).await,
        ConnectionsCommand::Set(set) => set_one(set, session).await,
        ConnectionsCommand::Delete { conn_id } => CONNECTIONS.delete(&conn_id, session).await,
        ConnectionsCommand::Import { file } => CONNECTIONS.import(&file, &session.client()?).await,
        ConnectionsCommand::Export => CONNECTIONS.export(session).await,
        ConnectionsCommand::Test { conn_id } => test(&conn_id, session).await,
    }
}

async fn set_one(set: SetConnection, session: &Session) -> Result<()> {
    if let Some(extra) = &set.extra {
        dags::object("--extra", extra)?;
    }
    let password = if set.password_stdin { Some(ask::password(true, "Password")?) } else { None };
    let body = given([
        ("conn_type", Some(json!(set.conn_type))),
        ("description", set.description.map(Value::String)),
        ("host", set.host.map(Value::String)),
        ("login", set.login.map(Value::String)),
        ("password", password.map(Value::String)),
        ("schema", set.schema.map(Value::String)),
        ("port", set.port.map(Value::from)),
        ("extra", set.extra.map(Value::String)),
    ]);
    CONNECTIONS.set(&set.conn_id, body, session).await
}

/// The server tests what is stored, with its secrets, which no client can send it.
async fn test(conn_id: &str, session: &Session) -> Result<()> {
    let client = session.client()?;
    let connection = client.get(&CONNECTIONS.one(conn_id)).await?;
    let answer = client.post("/api/v2/connections/test", &connection).await?;
    let message = answer.get("message").and_then(Value::as_str).unwrap_or_default();
    if answer.get("status") == Some(&json!(true)) {
        eprintln!("the connection `{conn_id}` works: {message}");
        Ok(())
    } else {
        Err(Failure::new(format!("the connection `{conn_id}` does not work: {message}")).into())
    }
}

/// Makes or changes every connection of a file.
pub async fn import(client: &Client, file: &Path) -> Result<()> {
    CONNECTIONS.import(file, client).await
}
