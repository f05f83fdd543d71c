//! `airlock dags delete`.

use anyhow::Result;

use super::{Session, path};
use crate::commands::ask;

pub async fn run(dag_id: &str, yes: bool, session: &Session) -> Result<()> {
    ask::unless(yes, &format!("Remove the DAG `{dag_id}` with its versions, runs and logs?"))?;
    session.client()?.delete(&path(dag_id)).await?;
    eprintln!("removed the DAG `{dag_id}`");
    Ok(())
}
