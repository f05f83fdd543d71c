//! Airflow's filters that this server does not have.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::problem::{Answer, Problem};

/// Refuses a list request with a filter that would have to be ignored: more rows than were asked for would be a wrong answer.
#[derive(Clone, Copy, Debug)]
pub struct Unsupported;

/// Parameters of Airflow's lists without a counterpart. Those that change nothing here (`exclude_stale`) are not among them.
const NAMES: &[&str] = &[
    "asset_dependency",
    "bundle_name",
    "bundle_version",
    "conf_contains",
    "consuming_asset_pattern",
    "dag_display_name_pattern",
    "dag_run_end_date_gt",
    "dag_run_end_date_gte",
    "dag_run_end_date_lt",
    "dag_run_end_date_lte",
    "dag_run_start_date_gt",
    "dag_run_start_date_gte",
    "dag_run_start_date_lt",
    "dag_run_start_date_lte",
    "dag_run_state",
    "duration_gt",
    "duration_gte",
    "duration_lt",
    "duration_lte",
    "executor",
    "has_asset_schedule",
    "has_import_errors",
    "is_favorite",
    "last_dag_run_state",
    "operator_name_pattern",
    "partition_date_gte",
    "partition_date_lte",
    "partition_key_pattern",
    "pool_name_pattern",
    "queue_name_pattern",
    "rendered_map_index_pattern",
    "task_display_name_pattern",
    "task_group_id",
    "timetable_type",
];

impl<S: Send + Sync> FromRequestParts<S> for Unsupported {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Answer<Self> {
        let text = parts.uri.query().unwrap_or_default();
        for (name, value) in url::form_urlencoded::parse(text.as_bytes()) {
            if !value.is_empty() && (NAMES.contains(&&*name) || name.ends_with("_prefix_pattern")) {
                return Err(Problem::bad_request(format!("this server cannot filter by `{name}`")));
            }
        }
        Ok(Self)
    }
}
