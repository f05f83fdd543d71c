//! `airlock dags pause` and `unpause`.

use anyhow::Result;
use reqwest::Method;
use serde_json::json;

use super::{COLUMNS, Session, path};
use crate::output;

pub async fn run(dag_id: &str, paused: bool, session: &Session) -> Result<()> {
    let dag = session.client()?.send(Method::PATCH, &path(dag_id), &json!({ "is_paused": paused })).await?;
    output::record(session.output, COLUMNS, &dag)
}
