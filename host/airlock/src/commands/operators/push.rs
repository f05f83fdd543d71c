//! `airlock operators push`.

use std::path::PathBuf;

use anyhow::Result;
use serde_json::Value;

use super::{Session, build, list};
use crate::{output, server};

pub async fn run(paths: &[PathBuf], session: &Session) -> Result<()> {
    let client = session.client()?;
    let mut pushed: Vec<Value> = Vec::new();
    for path in paths {
        pushed.push(server::upload(&client, &build::module(path)?).await?);
    }
    output::rows(session.output, list::VERSIONS, &pushed)
}
