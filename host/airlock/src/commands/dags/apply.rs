//! `airlock dags apply`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::Value;

use super::{COLUMNS, Session, path, read};
use crate::output;

pub async fn run(files: &[PathBuf], dry_run: bool, session: &Session) -> Result<()> {
    let client = session.client()?;
    // All are read before one is sent: a typing error in the last changes nothing.
    let documents = files.iter().map(|file| read(file)).collect::<Result<Vec<_>>>()?;
    let mut applied: Vec<Value> = Vec::new();
    for document in documents {
        let query = if dry_run { "?dry_run=true" } else { "" };
        let answer = client
            .put_text(&format!("{}{query}", path(&document.dag_id)), "application/json", document.text)
            .await
            .with_context(|| format!("{} was not applied", document.name))?;
        applied.push(answer);
    }
    output::rows(session.output, COLUMNS, &applied)
}
