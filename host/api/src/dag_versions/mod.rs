//! `/dags/{dag_id}/dagVersions`.

pub mod difference;
pub mod get;
pub mod list;
