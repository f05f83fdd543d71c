//! `/dags/{dag_id}/dagVersions`.

pub mod get;
pub mod list;
