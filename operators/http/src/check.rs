//! What a response has to fulfil.

use std::collections::BTreeMap;

use airlock_sdk::prelude::*;
use airlock_sdk::serde_json;
use regex_lite::Regex;

/// What a response has to fulfil: all that is given.
#[arguments]
#[derive(Default)]
pub struct ResponseCheck {
    /// The statuses that are right: numbers, and ranges such as `"200-299"`.
    #[serde(default)]
    status: Option<Vec<Status>>,
    /// A regular expression that matches somewhere in the text.
    #[serde(default)]
    matches: Option<String>,
    /// Values that the JSON of the response has, by JSON pointer, such as `{"/state": "done"}`.
    #[serde(default)]
    json: BTreeMap<String, Value>,
}

#[arguments]
#[serde(untagged)]
enum Status {
    One(u16),
    Range(String),
}

impl ResponseCheck {
    /// Why a response does not fulfil this, if it does not.
    pub fn refuses(&self, status: u16, body: &str, check_status: bool) -> Result<Option<String>> {
        match &self.status {
            Some(allowed) => {
                let mut right = false;
                for one in allowed {
                    right |= one.allows(status)?;
                }
                if !right {
                    return Ok(Some(format!("its status is {status}: {}", excerpt(body))));
                }
            }
            None if check_status && status >= 400 => {
                return Ok(Some(format!("its status is {status}: {}", excerpt(body))));
            }
            None => {}
        }
        if let Some(pattern) = &self.matches {
            let regex = Regex::new(pattern)
                .map_err(|error| Error::fail(format!("`response_check.matches` is no valid expression: {error}")))?;
            if !regex.is_match(body) {
                return Ok(Some(format!("`{pattern}` does not match {}", excerpt(body))));
            }
        }
        if self.json.is_empty() {
            return Ok(None);
        }
        let Ok(value) = serde_json::from_str::<Value>(body) else {
            return Ok(Some(format!("it is not JSON: {}", excerpt(body))));
        };
        let wrong = self.json.iter().find(|(pointer, expected)| value.pointer(pointer) != Some(expected));
        Ok(wrong.map(|(pointer, expected)| match value.pointer(pointer) {
            Some(found) => format!("`{pointer}` is {}, not {expected}", excerpt(&found.to_string())),
            None => format!("it has nothing at `{pointer}`"),
        }))
    }
}

impl Status {
    fn allows(&self, status: u16) -> Result<bool> {
        match self {
            Self::One(one) => Ok(*one == status),
            Self::Range(text) => {
                let (from, to) = text.split_once('-').unwrap_or((text, text));
                match (from.trim().parse::<u16>(), to.trim().parse::<u16>()) {
                    (Ok(from), Ok(to)) => Ok((from..=to).contains(&status)),
                    _ => Err(Error::fail(format!("`{text}` is no status and no range such as `200-299`"))),
                }
            }
        }
    }
}

/// As much of a text as a message can hold.
fn excerpt(text: &str) -> String {
    shortened(text, 300)
}

/// At most so many characters of a text.
pub fn shortened(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((end, _)) => format!("{} ...", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refuses(check: Value, status: u16, body: &str) -> Result<Option<String>> {
        serde_json::from_value::<ResponseCheck>(check).unwrap().refuses(status, body, true)
    }

    #[test]
    fn statuses() {
        assert_eq!(refuses(json!({}), 399, ""), Ok(None));
        assert_eq!(refuses(json!({}), 404, "gone"), Ok(Some("its status is 404: gone".into())));
        assert_eq!(refuses(json!({ "status": [404, "500-503"] }), 404, ""), Ok(None));
        assert_eq!(refuses(json!({ "status": [404, "500-503"] }), 503, ""), Ok(None));
        assert!(refuses(json!({ "status": [404, "500-503"] }), 200, "").unwrap().is_some());
        assert!(!refuses(json!({ "status": ["2xx"] }), 200, "").unwrap_err().retryable);
        assert_eq!(ResponseCheck::default().refuses(500, "", false), Ok(None));
    }

    #[test]
    fn bodies() {
        let body = r#"{"state": "done", "items": [1]}"#;
        assert_eq!(refuses(json!({ "matches": "do.e" }), 200, body), Ok(None));
        assert!(refuses(json!({ "matches": "^done" }), 200, body).unwrap().unwrap().contains("does not match"));
        assert!(refuses(json!({ "matches": "(" }), 200, body).is_err());
        assert_eq!(refuses(json!({ "json": { "/state": "done", "/items/0": 1 } }), 200, body), Ok(None));
        let wrong = refuses(json!({ "json": { "/state": "failed" } }), 200, body);
        assert_eq!(wrong, Ok(Some("`/state` is \"done\", not \"failed\"".into())));
        assert_eq!(refuses(json!({ "json": { "/x": null } }), 200, body), Ok(Some("it has nothing at `/x`".into())));
        assert_eq!(refuses(json!({ "json": { "/x": null } }), 200, "<p>"), Ok(Some("it is not JSON: <p>".into())));
    }

    #[test]
    fn excerpts_are_short() {
        assert_eq!(excerpt(&"ä".repeat(400)), format!("{} ...", "ä".repeat(300)));
    }
}
