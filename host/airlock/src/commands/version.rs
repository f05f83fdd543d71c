//! `airlock version`.

use anyhow::Result;
use serde_json::{Value, json};

use super::Session;
use crate::output::{self, Column};

const COLUMNS: &[Column] = &[("program", "/program"), ("server", "/server"), ("url", "/url")];

pub async fn run(session: &Session) -> Result<()> {
    let client = session.client()?;
    // No server is no fault here: the question was for a version, and the program knows its own.
    let server = client.get("/api/v2/version").await.ok();
    let answer = json!({
        "program": env!("CARGO_PKG_VERSION"),
        "server": server.as_ref().and_then(|server| server.get("version")).unwrap_or(&Value::Null),
        "url": client.url(),
    });
    output::record(session.output, COLUMNS, &answer)
}
