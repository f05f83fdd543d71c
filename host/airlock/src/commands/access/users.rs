//! `airlock users`.

use anyhow::Result;
use serde_json::{Value, json};

use super::{Session, ask};
use crate::cli::UsersCommand;
use crate::client::segment;
use crate::output::{self, Column};

const COLUMNS: &[Column] = &[("USER", "/username"), ("ROLE", "/role"), ("CREATED", "/created_at")];

pub async fn run(command: UsersCommand, session: &Session) -> Result<()> {
    let client = session.client()?;
    match command {
        UsersCommand::List => {
            let mut answer = client.get("/api/v2/users").await?;
            let users = answer.get_mut("users").map(Value::take).and_then(|users| users.as_array().cloned());
            output::rows(session.output, COLUMNS, &users.unwrap_or_default())
        }
        UsersCommand::Create { username, role, password_stdin } => {
            let password = ask::password(password_stdin, &format!("Password for {username}"))?;
            let body = json!({ "username": username, "role": role, "password": password });
            output::record(session.output, COLUMNS, &client.post("/api/v2/users", &body).await?)
        }
        UsersCommand::Delete { username } => {
            client.delete(&format!("/api/v2/users/{}", segment(&username))).await?;
            eprintln!("removed the user `{username}` and their tokens");
            Ok(())
        }
    }
}
