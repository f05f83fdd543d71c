//! `airlock tokens`.

use anyhow::Result;
use serde_json::{Value, json};

use super::Session;
use crate::cli::TokensCommand;
use crate::client::segment;
use crate::output::{self, Column, Format};

const COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("NAME", "/name"),
    ("USER", "/username"),
    ("ROLE", "/role"),
    ("CREATED", "/created_at"),
    ("ENDS", "/expires_at"),
];

pub async fn run(command: TokensCommand, session: &Session) -> Result<()> {
    let client = session.client()?;
    match command {
        TokensCommand::List => {
            let mut answer = client.get("/api/v2/tokens").await?;
            let tokens = answer.get_mut("tokens").map(Value::take).and_then(|tokens| tokens.as_array().cloned());
            output::rows(session.output, COLUMNS, &tokens.unwrap_or_default())
        }
        TokensCommand::Create { name, role, days } => {
            let seconds = days.map(|days| days.saturating_mul(24 * 3600));
            let body = json!({ "name": name, "role": role, "expires_in": seconds });
            let token = client.post("/api/v2/tokens", &body).await?;
            eprintln!("hint: the token is not shown again; set AIRLOCK_TOKEN to it");
            match (session.output, token.get("token").and_then(Value::as_str)) {
                (Format::Table | Format::Plain, Some(text)) => output::write(&format!("{text}\n")),
                (format, _) => output::record(format, COLUMNS, &token),
            }
        }
        TokensCommand::Revoke { id } => {
            client.delete(&format!("/api/v2/tokens/{}", segment(&id))).await?;
            eprintln!("revoked the token {id}");
            Ok(())
        }
    }
}
