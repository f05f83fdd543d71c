//! Refusals, as `application/problem+json` (RFC 9457). The `detail` member is what Airflow's clients read.

use airlock_core::fault::{Fault, Faults};
use airlock_store::StoreError;
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};

/// What a handler answers with.
pub type Answer<T> = Result<T, Problem>;

/// Why a request was refused.
#[derive(Clone, Debug)]
pub struct Problem {
    pub status: StatusCode,
    /// The last part of the `type` member: stable, for programs.
    pub kind: &'static str,
    pub detail: String,
    pub faults: Vec<Fault>,
    /// Seconds after which the same request may succeed.
    pub retry_after: Option<u64>,
}

impl Problem {
    pub fn new(status: StatusCode, kind: &'static str, detail: impl Into<String>) -> Self {
        Self { status, kind, detail: detail.into(), faults: Vec::new(), retry_after: None }
    }

    /// 400: the request makes no sense here, though its shape is right.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", detail)
    }

    /// 401: who are you?
    pub fn unauthenticated(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail)
    }

    /// 403, within the own tenant only: what belongs to another one is not found.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    /// 404.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", detail)
    }

    /// 409: the request does not fit the state of things.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", detail)
    }

    /// 422 with one fault.
    pub fn invalid(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::faulty(Faults(vec![Fault::new(pointer, detail)]))
    }

    /// 422 with every fault of a document.
    pub fn faulty(faults: Faults) -> Self {
        let detail = faults.to_string();
        Self { faults: faults.0, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail) }
    }

    /// 429.
    pub fn too_many(detail: impl Into<String>, retry_after: u64) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", detail) }
    }

    /// 500. The cause is logged here, and not told to the caller: it may name files, addresses or rows.
    pub fn internal(error: impl std::fmt::Display) -> Self {
        tracing::error!(%error, "a request failed inside the server");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the server failed; its log says more")
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::AlreadyExists { .. } | StoreError::Conflict(_) => Self::conflict(error.to_string()),
            StoreError::NotFound { .. } => Self::not_found(error.to_string()),
            StoreError::Unavailable(_) => {
                tracing::error!(%error, "a request failed for lack of the database");
                let detail = "the database cannot be reached at the moment";
                Self {
                    retry_after: Some(1),
                    ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "database-unavailable", detail)
                }
            }
            StoreError::NewerDatabase { .. }
            | StoreError::NotMigrated
            | StoreError::Damaged(_)
            | StoreError::Database(_) => Self::internal(error),
        }
    }
}

/// A problem on the wire.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// Stable, for programs: `urn:airlock:problem:` and a word.
    r#type: String,
    title: String,
    status: u16,
    /// What was found, and what would be right.
    detail: String,
    /// For refused documents: every fault, each with where it is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FaultBody>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Fault)]
struct FaultBody {
    /// A JSON pointer (RFC 6901); empty for the whole document.
    pointer: String,
    detail: String,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = ProblemBody {
            r#type: format!("urn:airlock:problem:{}", self.kind),
            title: self.status.canonical_reason().unwrap_or("Error").to_owned(),
            status: self.status.as_u16(),
            detail: self.detail,
            errors: self
                .faults
                .into_iter()
                .map(|fault| FaultBody { pointer: fault.pointer, detail: fault.detail })
                .collect(),
        };
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// The refusals that any endpoint may answer with, for the OpenAPI document.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "describes answers; is never made")]
pub enum Refusals {
    /// No token, or none that is valid.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthenticated(#[to_schema] ProblemBody),
    /// The role of the token does not suffice.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(#[to_schema] ProblemBody),
    /// There is no such thing in this tenant.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(#[to_schema] ProblemBody),
    /// The parameters or the body are not valid.
    #[response(status = 422, content_type = "application/problem+json")]
    Invalid(#[to_schema] ProblemBody),
}
