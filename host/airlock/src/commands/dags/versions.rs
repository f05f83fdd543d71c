//! `airlock dags versions`.

use anyhow::Result;

use super::{Session, path};
use crate::output::{self, Column};

const COLUMNS: &[Column] = &[("VERSION", "/version_number"), ("CREATED", "/created_at"), ("ID", "/id")];

pub async fn run(dag_id: &str, session: &Session) -> Result<()> {
    let versions = session.client()?.list(&format!("{}/dagVersions", path(dag_id)), "dag_versions").await?;
    output::rows(session.output, COLUMNS, &versions)
}
