//! Airflow's filters that this server does not have.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::problem::{Answer, Problem};

/// Refuses a list request with a filter that would have to be ignored: more rows than were asked for would be a wrong answer.
#[derive(Clone, Copy, Debug)]
pub struct Unsupported;

/// Parameters of Airflow's lists without a counterpart. Those that change nothing here (`exclude_stale`) are not among them.
const NAMES: &[&str] = &[
    "bundle_name",
    "bundle_version",
    "executor",
    "has_import_errors",
    "task_display_name_pattern",
    "task_display_name_prefix_pattern",
    "timetable_type",
];

impl<S: Send + Sync> FromRequestParts<S> for Unsupported {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Answer<Self> {
        let text = parts.uri.query().unwrap_or_default();
        for (name, value) in url::form_urlencoded::parse(text.as_bytes()) {
            if !value.is_empty() && NAMES.contains(&&*name) {
                return Err(Problem::bad_request(format!("this server cannot filter by `{name}`")));
            }
        }
        Ok(Self)
    }
}
