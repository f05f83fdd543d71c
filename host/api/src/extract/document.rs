//! A DAG's document, as the text that was sent: its versions keep it.

use airlock_core::dag::MAXIMUM_DOCUMENT_BYTES;
use axum::extract::{FromRequest, Request};

use super::json::json_bytes;
use crate::problem::{Answer, Problem};

#[derive(Clone, Debug)]
pub struct Document(pub String);

impl<S: Send + Sync> FromRequest<S> for Document {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Answer<Self> {
        let bytes = json_bytes(request, state).await?;
        if bytes.len() > MAXIMUM_DOCUMENT_BYTES {
            let detail = format!("the document has {} bytes; the most is {MAXIMUM_DOCUMENT_BYTES}", bytes.len());
            return Err(Problem::invalid("", detail));
        }
        String::from_utf8(bytes.to_vec())
            .map(Self)
            .map_err(|error| Problem::invalid("", format!("the document is not UTF-8: {error}")))
    }
}
