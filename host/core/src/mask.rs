//! Which values are secret, and keeping them out of what people read. The names are Airflow's (`airflow._shared.secrets_masker`).

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value};

/// What stands in a secret's place.
pub const MASK: &str = "***";

/// A value that is shorter is not masked in texts: it would take half of the log with it.
const SHORTEST_MASKED: usize = 5;

/// Lines of a long secret that many other texts have too (`-----`, `{`) are not masked.
const SHORTEST_MASKED_LINE: usize = 16;

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

fn map_objects(value: &Value, map: MapObject<'_>) -> Value {
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

/// The members of an object, one object in, one out.
type MapObject<'a> = &'a dyn Fn(&Map<String, Value>) -> Map<String, Value>;

/// Replaces secrets in texts, also where they stand as JSON, percent-encoded or in Base64.
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
    /// Masks this secret from now on. Of a secret of several lines, such as a key, each line goes too: logs are lines.
    pub fn add(&mut self, secret: &str) {
        let json = Value::from(secret).to_string();
        let escaped = json.get(1..json.len() - 1).unwrap_or_default();
        for form in [secret, escaped, &percent_encoded(secret), &BASE64.encode(secret)] {
            self.add_form(form, SHORTEST_MASKED);
        }
        if secret.contains('\n') {
            secret.lines().for_each(|line| self.add_form(line.trim(), SHORTEST_MASKED_LINE));
        }
        self.secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    }

    /// Masks a password, and what a login and it look like in a header of HTTP basic authentication.
    pub fn add_login(&mut self, login: &str, password: &str) {
        self.add(password);
        if password.chars().count() >= SHORTEST_MASKED {
            self.add(&BASE64.encode(format!("{login}:{password}")));
        }
    }

    fn add_form(&mut self, form: &str, shortest: usize) {
        if form.chars().count() >= shortest && !self.secrets.iter().any(|known| known == form) {
            self.secrets.push(form.to_owned());
        }
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
        masker.add("\"quoted\"");
        assert_eq!(masker.mask(r#"{"a": "\"quoted\""}"#), r#"{"a": "***"}"#);
        masker.add("-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG\n}\n-----END KEY-----");
        assert_eq!(masker.mask("the line MIIEvQIBADANBgkqhkiG of it {}"), "the line *** of it {}");
        masker.add_login("me", "hunter22");
        assert_eq!(masker.mask("Authorization: Basic bWU6aHVudGVyMjI="), "Authorization: Basic ***");
        assert_eq!(masker.mask("aHVudGVyMjI= and hunter22"), "*** and ***");
    }
}
