//! JSON bodies, with faults that say where.

use std::collections::BTreeSet;

use airlock_core::fault::{Fault, Faults};
use axum::extract::{FromRequest, OptionalFromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use serde_path_to_error::Segment;

use crate::problem::{Answer, Problem};

/// A JSON body of this shape.
#[derive(Clone, Debug)]
pub struct ValidJson<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for ValidJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Answer<Self> {
        Ok(Self(read_json(&json_bytes(request, state).await?)?))
    }
}

impl<T: DeserializeOwned, S: Send + Sync> OptionalFromRequest<S> for ValidJson<T> {
    type Rejection = Problem;

    /// None without a body, which then has no type.
    async fn from_request(request: Request, state: &S) -> Answer<Option<Self>> {
        if !request.headers().contains_key(header::CONTENT_TYPE) {
            return Ok(None);
        }
        <Self as FromRequest<S>>::from_request(request, state).await.map(Some)
    }
}

/// A JSON object of this shape, and which of its members were given: Airflow's PATCH changes those and no others.
#[derive(Clone, Debug)]
pub struct Patch<T> {
    pub body: T,
    given: BTreeSet<String>,
}

impl<T> Patch<T> {
    /// Whether this member is to be changed, given the request's `update_mask`.
    pub fn changes(&self, member: &str, update_mask: &[String]) -> bool {
        self.given.contains(member) && (update_mask.is_empty() || update_mask.iter().any(|name| name == member))
    }

    /// The same members of another body.
    pub fn map<U>(&self, to: impl FnOnce(&T) -> U) -> Patch<U> {
        Patch { body: to(&self.body), given: self.given.clone() }
    }

    /// Reads the entity from a JSON object, for bulk requests.
    pub fn from_object(object: Map<String, Value>, pointer: &str) -> Result<Self, Faults>
    where
        T: DeserializeOwned,
    {
        let given = object.keys().cloned().collect();
        let body = serde_path_to_error::deserialize(Value::Object(object)).map_err(|error| {
            let at = format!("{pointer}{}", json_pointer(error.path()));
            Faults(vec![Fault::new(at, error.into_inner().to_string())])
        })?;
        Ok(Self { body, given })
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Patch<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Answer<Self> {
        let object: Map<String, Value> = read_json(&json_bytes(request, state).await?)?;
        Self::from_object(object, "").map_err(Problem::faulty)
    }
}

pub(super) async fn json_bytes<S: Send + Sync>(request: Request, state: &S) -> Answer<Bytes> {
    if !is_json(request.headers()) {
        let detail = "the body must be JSON, with `Content-Type: application/json`";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail));
    }
    Bytes::from_request(request, state).await.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => too_large(),
        _ => Problem::bad_request("the body ended before it was whole"),
    })
}

fn too_large() -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "the body is larger than this server takes")
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(content_type) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// Reads a JSON text.
///
/// # Errors
/// 422 with a pointer to the member that does not fit, or with line and column where the text is not JSON at all.
pub fn read_json<T: DeserializeOwned>(text: &[u8]) -> Answer<T> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let pointer = json_pointer(error.path());
        let error = error.into_inner();
        if error.is_data() {
            Problem::invalid(pointer, without_position(&error))
        } else {
            Problem::invalid("", format!("the body is not JSON: {error}"))
        }
    })?;
    deserializer.end().map_err(|error| Problem::invalid("", format!("the body is not JSON: {error}")))?;
    Ok(value)
}

/// Refuses members that a body with flattened parts left over: such a body cannot deny unknown ones by itself. Null asks for
/// nothing.
pub fn refuse_rest(rest: &Map<String, Value>) -> Answer<()> {
    let faults: Vec<Fault> = rest
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, _)| Fault::new(format!("/{name}"), format!("unknown or unsupported field `{name}`")))
        .collect();
    if faults.is_empty() { Ok(()) } else { Err(Problem::faulty(Faults(faults))) }
}

/// serde_json adds where in the text a value stands, which its pointer says better.
fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}

fn json_pointer(path: &serde_path_to_error::Path) -> String {
    use std::fmt::Write;
    let mut pointer = String::new();
    for segment in path {
        // Writing to a string cannot fail.
        let _ = match segment {
            Segment::Seq { index } => write!(pointer, "/{index}"),
            Segment::Map { key } => write!(pointer, "/{}", key.replace('~', "~0").replace('/', "~1")),
            // The variant of an enumeration is no member of the document.
            Segment::Enum { .. } | Segment::Unknown => Ok(()),
        };
    }
    pointer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read from JSON")]
    struct Body {
        name: String,
        list: Vec<u8>,
    }

    fn fault(text: &str) -> Fault {
        read_json::<Body>(text.as_bytes()).unwrap_err().faults.remove(0)
    }

    #[test]
    fn faults_say_where() {
        assert_eq!(fault(r#"{"list": []}"#), Fault::new("", "missing field `name`"));
        assert_eq!(fault(r#"{"name": "a", "list": [1, 999]}"#).pointer, "/list/1");
        assert_eq!(fault(r#"{"name": "a", "a/b": 1}"#).detail, "unknown field `a/b`, expected `name` or `list`");
        assert!(fault(r#"{"name": "#).detail.starts_with("the body is not JSON: EOF"));
        assert!(fault(r#"{"name": "a", "list": []} x"#).detail.contains("trailing characters"));
    }
}
