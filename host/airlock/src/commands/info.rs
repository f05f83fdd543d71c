//! `airlock info`: what somebody who helps would ask for first.

use anyhow::Result;
use serde_json::{Value, json};

use super::Session;
use crate::output::{self, Column};

const COLUMNS: &[Column] = &[
    ("program", "/program"),
    ("system", "/system"),
    ("executable", "/executable"),
    ("home", "/home"),
    ("database", "/database"),
    ("url", "/url"),
    ("server", "/server"),
    ("metadatabase", "/metadatabase"),
    ("scheduler", "/scheduler"),
    ("tenant", "/tenant"),
    ("user", "/user"),
    ("role", "/role"),
];

pub async fn run(session: &Session) -> Result<()> {
    let client = session.client()?;
    // That no server answers, or that it does not know who asks, is part of the answer.
    let ask = async |path: &str| client.get(path).await.unwrap_or(Value::Null);
    let (version, health) = (ask("/api/v2/version").await, ask("/api/v2/monitor/health").await);
    let me = ask("/api/v2/whoami").await;
    let at = |value: &Value, pointer: &str| value.pointer(pointer).cloned().unwrap_or(Value::Null);
    let executable = std::env::current_exe().ok().map(|path| path.display().to_string());
    let answer = json!({
        "program": env!("CARGO_PKG_VERSION"),
        "system": format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        "executable": executable,
        "home": session.config.home(),
        "database": if session.config.database_url().is_some() { "PostgreSQL" } else { "SQLite" },
        "url": client.url(),
        "server": at(&version, "/version"),
        "metadatabase": at(&health, "/metadatabase/status"),
        "scheduler": at(&health, "/scheduler/status"),
        "tenant": at(&me, "/tenant"),
        "user": at(&me, "/username"),
        "role": at(&me, "/role"),
    });
    output::record(session.output, COLUMNS, &answer)
}
