//! What a DAG version says, parsed once.

use std::sync::Arc;

use airlock_core::dag::Dag;
use airlock_core::id::TenantId;
use sqlx::sqlite::SqliteConnection;
use uuid::Uuid;

use crate::SqliteStore;
use crate::error::{Failure, Result};

/// A version, by its id and by its place.
pub struct VersionName<'a> {
    pub id: Uuid,
    pub tenant: TenantId,
    pub dag_id: &'a str,
    pub version: u32,
}

/// From the cache, or from the database into the cache; of a version that is there.
pub async fn content(
    store: &SqliteStore,
    connection: &mut SqliteConnection,
    name: VersionName<'_>,
) -> Result<Arc<Dag>> {
    let missing = format!("version {} of DAG `{}` is not there", name.version, name.dag_id);
    find_content(store, connection, name).await?.ok_or_else(|| Failure::damaged(missing))
}

/// As [`content`], of a version that may have been deleted.
pub async fn find_content(
    store: &SqliteStore,
    connection: &mut SqliteConnection,
    name: VersionName<'_>,
) -> Result<Option<Arc<Dag>>> {
    if let Some(dag) = store.versions.get(name.id) {
        return Ok(Some(dag));
    }
    let text: Option<String> = sqlx::query_scalar(
        "SELECT dag FROM dag_versions WHERE tenant_id = ?1 AND dag_id = ?2 AND version = ?3 AND version_id = ?4",
    )
    .bind(name.tenant.0)
    .bind(name.dag_id)
    .bind(name.version)
    .bind(name.id)
    .fetch_optional(connection)
    .await?;
    let Some(text) = text else { return Ok(None) };
    let dag = parse(&text, name.dag_id, name.version)?;
    store.versions.insert(name.id, Arc::clone(&dag));
    Ok(Some(dag))
}

fn parse(text: &str, dag_id: &str, version: u32) -> Result<Arc<Dag>> {
    serde_json::from_str(text)
        .map(Arc::new)
        .map_err(|error| Failure::damaged(format!("version {version} of DAG `{dag_id}`: {error}")))
}
