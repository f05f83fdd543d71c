//! Which values are secret, and keeping them out of what people read. The names are Airflow's (`airflow._shared.secrets_masker`).

use std::borrow::Cow;

use serde_json::{Map, Value};

/// What stands in a secret's place.
pub const MASK: &str = "***";

/// A value that is shorter is not masked in texts: it would take half of the log with it.
const SHORTEST_MASKED: usize = 5;

const SENSITIVE_PARTS: &[&str] = &[
    "access_key",
    "access_token",
    "api_key",
    "apikey",
    "auth_header",
    "authorization",
    "bearer",
    "connection_string",
    "dsn",
    "keyfile_dict",
    "passphrase",
    "passwd",
    "password",
    "private_key",
    "proxies",
    "proxy",
    "secret",
    "service_account",
    "service_key",
    "token",
    "webhook_url",
];

/// Whether a variable, or a member of a connection's `extra`, of this name holds a secret.
pub fn is_sensitive_name(name: &str) -> bool {
    let name = name.trim().to_lowercase().replace('-', "_");
    SENSITIVE_PARTS.iter().any(|part| name.contains(part))
}

/// The members that are no secret, at any depth.
pub fn without_secrets(members: &Map<String, Value>) -> Map<String, Value> {
    let plain = members.iter().filter(|(name, _)| !is_sensitive_name(name));
    plain.map(|(name, value)| (name.clone(), map_objects(value, &without_secrets))).collect()
}

/// Every member, with [`MASK`] for the value of those that are secret, at any depth.
pub fn redacted(members: &Map<String, Value>) -> Map<String, Value> {
    let redact = |(name, value): (&String, &Value)| {
        let shown = match value {
            Value::Null => Value::Null,
            _ if is_sensitive_name(name) => Value::from(MASK),
            value => map_objects(value, &redacted),
        };
        (name.clone(), shown)
    };
    members.iter().map(redact).collect()
}

fn map_objects(value: &Value, map: &dyn Fn(&Map<String, Value>) -> Map<String, Value>) -> Value {
    match value {
        Value::Object(members) => Value::Object(map(members)),
        Value::Array(items) => items.iter().map(|item| map_objects(item, map)).collect(),
        plain => plain.clone(),
    }
}

/// The texts in the secret members, at any depth.
pub fn sensitive_values(members: &Map<String, Value>) -> Vec<String> {
    let mut found = Vec::new();
    for (name, value) in members {
        collect_texts(value, is_sensitive_name(name), &mut found);
    }
    found
}

fn collect_texts(value: &Value, secret: bool, found: &mut Vec<String>) {
    match value {
        Value::String(text) if secret => found.push(text.clone()),
        Value::Number(number) if secret => found.push(number.to_string()),
        Value::Array(items) => items.iter().for_each(|item| collect_texts(item, secret, found)),
        Value::Object(members) => {
            for (name, member) in members {
                collect_texts(member, secret || is_sensitive_name(name), found);
            }
        }
        _ => {}
    }
}

/// Replaces secrets in texts, also where they stand as JSON or percent-encoded.
#[derive(Clone, Default)]
pub struct Masker {
    /// The longest first: of two secrets of which one contains the other, the whole goes.
    secrets: Vec<String>,
}

impl std::fmt::Debug for Masker {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Masker").field("secrets", &self.secrets.len()).finish()
    }
}

impl Masker {
    pub fn add(&mut self, secret: &str) {
        let json = Value::from(secret).to_string();
        for form in [secret, json.trim_matches('"'), &percent_encoded(secret)] {
            if form.chars().count() >= SHORTEST_MASKED && !self.secrets.iter().any(|known| known == form) {
                self.secrets.push(form.to_owned());
            }
        }
        self.secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    }

    pub fn mask<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut masked = Cow::Borrowed(text);
        for secret in &self.secrets {
            if masked.contains(secret.as_str()) {
                masked = Cow::Owned(masked.replace(secret.as_str(), MASK));
            }
        }
        masked
    }
}

fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn names_are_judged_as_airflow_does() {
        for name in [
            "password",
            "DB_PASSWORD",
            "x-api-key",
            "my_secret_thing",
            "AWS_SECRET_ACCESS_KEY",
            "token",
            "proxy_password",
        ] {
            assert!(is_sensitive_name(name), "{name}");
        }
        for name in ["region", "pass", "key", "user", "endpoint_url"] {
            assert!(!is_sensitive_name(name), "{name}");
        }
    }

    #[test]
    fn secrets_are_found_at_any_depth() {
        let extra =
            object(json!({"region": "eu", "api_key": "k1234", "nested": [{"token": {"value": "t1234"}, "a": 1}]}));
        assert_eq!(without_secrets(&extra), object(json!({"region": "eu", "nested": [{"a": 1}]})));
        assert_eq!(
            redacted(&extra),
            object(json!({"region": "eu", "api_key": "***", "nested": [{"token": "***", "a": 1}]}))
        );
        assert_eq!(sensitive_values(&extra), ["k1234", "t1234"]);
    }

    #[test]
    fn texts_lose_their_secrets_in_every_form() {
        let mut masker = Masker::default();
        masker.add("p\"ss/word");
        masker.add("p\"ss/word and more");
        masker.add("tiny");
        assert_eq!(masker.mask("with p\"ss/word and more."), "with ***.");
        assert_eq!(masker.mask(r#"{"password": "p\"ss/word"}"#), r#"{"password": "***"}"#);
        assert_eq!(masker.mask("https://me:p%22ss%2Fword@host/"), "https://me:***@host/");
        assert_eq!(masker.mask("a tiny thing"), "a tiny thing");
    }
}
