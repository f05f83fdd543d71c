//! Query strings.

use airlock_core::fault::{Fault, Faults};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::problem::{Answer, Problem};

/// A query string. A parameter may come several times where the field is a list; unknown ones are ignored, as Airflow does,
/// so that one string can be read as several parts (page, spans, filters).
#[derive(Clone, Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Answer<Self> {
        let text = parts.uri.query().unwrap_or_default();
        let pairs = serde_html_form::Deserializer::from_bytes(text.as_bytes());
        serde_path_to_error::deserialize(pairs).map(Self).map_err(|error| {
            let name = error.path().to_string();
            let about = if name == "." { String::new() } else { format!("the parameter `{name}`: ") };
            Problem::faulty(Faults(vec![Fault::new("", format!("{about}{}", error.into_inner()))]))
        })
    }
}
