//! `airlock dags list`.

use anyhow::Result;

use super::{COLUMNS, Session};
use crate::{client, output};

pub async fn run(tags: &[String], session: &Session) -> Result<()> {
    let filter: Vec<String> = tags.iter().map(|tag| format!("tags={}", client::query(tag))).collect();
    let path = if filter.is_empty() { "/api/v2/dags".to_owned() } else { format!("/api/v2/dags?{}", filter.join("&")) };
    let dags = session.client()?.list(&path, "dags").await?;
    output::rows(session.output, COLUMNS, &dags)
}
