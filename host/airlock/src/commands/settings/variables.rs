//! `airlock variables`.

use std::path::Path;

use anyhow::Result;
use serde_json::Value;

use super::{Client, Collection, Session, given};
use crate::cli::VariablesCommand;

const VARIABLES: Collection = Collection {
    noun: "variable",
    path: "/api/v2/variables",
    member: "variables",
    id: "key",
    columns: &[("KEY", "/key"), ("VALUE", "/value"), ("DESCRIPTION", "/description")],
    fields: &["value", "description"],
};

pub async fn run(command: VariablesCommand, session: &Session) -> Result<()> {
    match command {
        VariablesCommand::List => VARIABLES.list(session).await,
        VariablesCommand::Get { key } => VARIABLES.get(&key, session).await,
        VariablesCommand::Set(set) => {
            let body =
                given([("value", Some(Value::String(set.value))), ("description", set.description.map(Value::String))]);
            VARIABLES.set(&set.key, body, session).await
        }
        VariablesCommand::Delete { key } => VARIABLES.delete(&key, session).await,
        VariablesCommand::Import { file } => VARIABLES.import(&file, &session.client()?).await,
        VariablesCommand::Export => VARIABLES.export(session).await,
    }
}

/// Makes or changes every variable of a file.
pub async fn import(client: &Client, file: &Path) -> Result<()> {
    VARIABLES.import(file, client).await
}
