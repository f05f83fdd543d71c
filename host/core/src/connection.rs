//! Connections as Airflow writes them in one line: `type://login:password@host:port/schema?name=value`.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::{Map, Value};

/// What Python's `quote(text, safe="")` leaves as it is.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The member of the query that holds the whole of `extra` where its values are no plain texts.
const WHOLE_EXTRA: &str = "__extra__";

/// The parts of a connection. An empty part is none.
#[derive(Clone, Default, PartialEq)]
pub struct ConnectionParts {
    /// With `_` for `-`, and `postgres` for `postgresql`.
    pub conn_type: String,
    /// May have a scheme of its own, as in `https://api.example.com`.
    pub host: Option<String>,
    pub login: Option<String>,
    pub password: Option<String>,
    pub schema: Option<String>,
    pub port: Option<u16>,
    pub extra: Map<String, Value>,
}

/// Without the password and the values of `extra`.
impl fmt::Debug for ConnectionParts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ConnectionParts")
            .field("conn_type", &self.conn_type)
            .field("host", &self.host)
            .field("login", &self.login)
            .field("schema", &self.schema)
            .field("port", &self.port)
            .field("extra", &self.extra.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// Why a text is no connection. It never quotes the text, which holds a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is no connection URI: {0}; the form is `type://login:password@host:port/schema?name=value`, percent-encoded"
)]
pub struct InvalidUri(String);

/// Reads the one-line form.
pub fn parse_uri(uri: &str) -> Result<ConnectionParts, InvalidUri> {
    let wrong = |reason: &str| Err(InvalidUri(reason.to_owned()));
    let Some((scheme, rest)) = uri.trim().split_once("://") else { return wrong("it has no `type://`") };
    if scheme.is_empty() || !scheme.chars().all(|letter| letter.is_ascii_alphanumeric() || "+-._".contains(letter)) {
        return wrong("its type is not made of letters, digits, `+`, `-`, `.` and `_`");
    }
    // Python's parser cuts a fragment off, and part of a password with it.
    if rest.contains('#') {
        return wrong("it has a `#`, which is written `%23`");
    }
    let (protocol, rest) = match rest.split_once("://") {
        None => (None, rest),
        Some((protocol, _)) if protocol.contains(['@', ':', '/', '?']) => return wrong("it has a `://` inside"),
        Some((_, rest)) if rest.contains("://") => return wrong("it has more than two `://`"),
        Some((protocol, rest)) => (Some(protocol), rest),
    };
    let (before_query, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, schema) = before_query.split_once('/').unwrap_or((before_query, ""));
    let (user, address) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (login, password) = user.split_once(':').unwrap_or((user, ""));
    let (host, port) = split_port(address)?;
    let host = decoded(host)?.map(|host| match protocol {
        Some(protocol) => format!("{protocol}://{host}"),
        None => host,
    });
    Ok(ConnectionParts {
        conn_type: normalized(scheme),
        host,
        login: decoded(login)?,
        password: decoded(password)?,
        schema: decoded(schema)?,
        port,
        extra: extra(query)?,
    })
}

/// Airflow's name of a type.
fn normalized(scheme: &str) -> String {
    let scheme = scheme.to_ascii_lowercase();
    if scheme == "postgresql" { "postgres".to_owned() } else { scheme.replace('-', "_") }
}

/// An address in brackets has colons of its own.
fn split_port(address: &str) -> Result<(&str, Option<u16>), InvalidUri> {
    let (host, port) = match address.strip_prefix('[').and_then(|inside| inside.split_once(']')) {
        Some((host, after)) => (host, after.strip_prefix(':').unwrap_or(after)),
        None => address.split_once(':').unwrap_or((address, "")),
    };
    if port.is_empty() {
        return Ok((host, None));
    }
    let number = port.parse().map_err(|_| InvalidUri("its port is not a number from 0 to 65535".to_owned()))?;
    Ok((host, Some(number)))
}

fn decoded(text: &str) -> Result<Option<String>, InvalidUri> {
    let decoded = percent_decode_str(text).decode_utf8();
    let decoded = decoded.map_err(|_| InvalidUri("a part is not UTF-8 once it is decoded".to_owned()))?;
    Ok((!decoded.is_empty()).then(|| decoded.into_owned()))
}

/// Values that are JSON become what they stand for, as in Airflow: `timeout=30` is a number.
fn extra(query: &str) -> Result<Map<String, Value>, InvalidUri> {
    let mut extra = Map::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let text = |part: &str| Ok(decoded(&part.replace('+', " "))?.unwrap_or_default());
        let (name, value) = (text(name)?, text(value)?);
        if name == WHOLE_EXTRA {
            return match serde_json::from_str(&value) {
                Ok(Value::Object(whole)) => Ok(whole),
                _ => Err(InvalidUri(format!("`{WHOLE_EXTRA}` is not a JSON object"))),
            };
        }
        let value = serde_json::from_str(&value).unwrap_or(Value::String(value));
        extra.insert(name, value);
    }
    Ok(extra)
}

/// Writes the one-line form; [`parse_uri`] reads the same parts from it.
pub fn to_uri(parts: &ConnectionParts) -> String {
    let encode = |text: &str| utf8_percent_encode(text, KEPT).to_string();
    let mut uri = format!("{}://", parts.conn_type.replace('_', "-"));
    let mut host = parts.host.as_deref().unwrap_or_default();
    if let Some((protocol, rest)) = host.split_once("://").filter(|(protocol, _)| *protocol != parts.conn_type) {
        uri.push_str(&format!("{protocol}://"));
        host = rest;
    }
    if parts.login.is_some() || parts.password.is_some() {
        uri.push_str(&encode(parts.login.as_deref().unwrap_or_default()));
        if let Some(password) = &parts.password {
            uri.push_str(&format!(":{}", encode(password)));
        }
        uri.push('@');
    } else if host.is_empty() && parts.port.is_some() {
        uri.push('@');
    }
    uri.push_str(&encode(host));
    if let Some(port) = parts.port {
        uri.push_str(&format!(":{port}"));
    }
    if let Some(schema) = &parts.schema {
        uri.push_str(&format!("/{}", encode(schema)));
    }
    if !parts.extra.is_empty() {
        uri.push_str(if parts.schema.is_some() { "?" } else { "/?" });
        uri.push_str(&query(&parts.extra));
    }
    uri
}

/// Pairs where every value is a text that would be read as itself; otherwise the whole as JSON.
fn query(extra: &Map<String, Value>) -> String {
    let encode = |text: &str| utf8_percent_encode(text, KEPT).to_string().replace("%20", "+");
    let pair = |(name, value): (&String, &Value)| {
        let text = value.as_str().filter(|text| serde_json::from_str::<Value>(text).is_err() && name != WHOLE_EXTRA)?;
        Some(format!("{}={}", encode(name), encode(text)))
    };
    let pairs: Option<Vec<String>> = extra.iter().map(pair).collect();
    match pairs {
        Some(pairs) => pairs.join("&"),
        None => format!("{WHOLE_EXTRA}={}", encode(&Value::Object(extra.clone()).to_string())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn parts(uri: &str) -> [String; 7] {
        let parts = parse_uri(uri).unwrap_or_else(|error| panic!("{uri}: {error}"));
        let text = |part: Option<String>| part.unwrap_or_default();
        [
            parts.conn_type,
            text(parts.host),
            text(parts.login),
            text(parts.password),
            text(parts.schema),
            text(parts.port.map(|port| port.to_string())),
            if parts.extra.is_empty() { String::new() } else { Value::Object(parts.extra).to_string() },
        ]
    }

    #[test]
    fn uris_are_read_as_airflow_reads_them() {
        for (uri, expected) in [
            (
                "postgres://etl:p%40ss%2Fw%3Ard@db.example.com:5432/sales?sslmode=require",
                ["postgres", "db.example.com", "etl", "p@ss/w:rd", "sales", "5432", r#"{"sslmode":"require"}"#],
            ),
            ("postgresql://u@h/db", ["postgres", "h", "u", "", "db", "", ""]),
            ("http://https%3A%2F%2Fapi.example.com", ["http", "https://api.example.com", "", "", "", "", ""]),
            ("http://https://api.example.com:8443/v1", ["http", "https://api.example.com", "", "", "v1", "8443", ""]),
            ("mysql://", ["mysql", "", "", "", "", "", ""]),
            (
                "aws://AKIA:se%2Bcret@/?region_name=eu-central-1&__x=",
                ["aws", "", "AKIA", "se+cret", "", "", r#"{"region_name":"eu-central-1","__x":""}"#],
            ),
            (
                "google-cloud-platform://?__extra__=%7B%22a%22%3A+%7B%22b%22%3A+1%7D%7D",
                ["google_cloud_platform", "", "", "", "", "", r#"{"a":{"b":1}}"#],
            ),
            ("fs:///%2Ftmp%2Fdata", ["fs", "", "", "", "/tmp/data", "", ""]),
            ("s3://@:9000", ["s3", "", "", "", "", "9000", ""]),
            ("x://:pw@h", ["x", "h", "", "pw", "", "", ""]),
            ("x://[::1]:80/a", ["x", "::1", "", "", "a", "80", ""]),
            ("x://%2Fvar%2Frun%2Fpg:5432/db", ["x", "/var/run/pg", "", "", "db", "5432", ""]),
            ("x://u%20s:p%20w@h/a%2Fb?k=a+b&e=%26", ["x", "h", "u s", "p w", "a/b", "", r#"{"k":"a b","e":"&"}"#]),
            ("x://u:p@w@h", ["x", "h", "u", "p@w", "", "", ""]),
            ("x://u:p:q@h", ["x", "h", "u", "p:q", "", "", ""]),
            ("x://h/a/b", ["x", "h", "", "", "a/b", "", ""]),
            ("my-type://h?b=1&b=2", ["my_type", "h", "", "", "", "", r#"{"b":2}"#]),
            ("x://üser@höst/ü", ["x", "höst", "üser", "", "ü", "", ""]),
        ] {
            assert_eq!(parts(uri), expected, "{uri}");
        }
    }

    #[test]
    fn what_is_no_uri_is_refused_without_being_quoted() {
        for uri in [
            "",
            "h",
            "x:h",
            "://h",
            "a://b://c://d",
            "x://u:p@b://h",
            "x://h:port",
            "x://h:99999",
            "x://u:se#cret@h",
            "x://h?__extra__=[1]",
            "x://%ff@h",
        ] {
            let error = parse_uri(uri).unwrap_err().to_string();
            assert!(uri.len() < 4 || !error.contains(uri), "{error}");
        }
    }

    #[test]
    fn secrets_do_not_show_in_debug_output() {
        let parts = parse_uri("x://u:hunter2@h?token=abc123").unwrap();
        let shown = format!("{parts:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("abc123"), "{shown}");
    }

    #[test]
    fn airflows_own_texts_are_written() {
        for uri in [
            "postgres://etl:p%40ss%2Fw%3Ard@db.example.com:5432/sales?sslmode=require",
            "http://https://api.example.com:8443/v1",
            "google-cloud-platform:///?__extra__=%7B%22a%22%3A%7B%22b%22%3A1%7D%7D",
            "s3://@:9000",
            "x://:pw@h",
            "x://u%20s:p%20w@h/a%2Fb?k=a+b&e=%26",
        ] {
            assert_eq!(to_uri(&parse_uri(uri).unwrap()), uri);
        }
        let parts = ConnectionParts { extra: json!({"a": "1"}).as_object().unwrap().clone(), ..Default::default() };
        assert!(to_uri(&parts).contains(WHOLE_EXTRA), "the text \"1\" would be read as a number");
    }

    fn text() -> impl Strategy<Value = Option<String>> {
        proptest::option::of("[ -~äß€]{1,12}")
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            host in proptest::option::of("[a-z0-9./: ]{1,12}").prop_filter("no scheme", |host| {
                host.as_ref().is_none_or(|host| !host.contains("://"))
            }),
            login in text(), password in text(), schema in text(),
            port in proptest::option::of(0u16..), extra in proptest::collection::btree_map("[ -~]{1,8}", "[ -~é]{0,8}", 0..4),
        ) {
            let extra = extra.into_iter().map(|(name, value)| (name, Value::from(value))).collect();
            let parts = ConnectionParts { conn_type: "my_type".to_owned(), host, login, password, schema, port, extra };
            prop_assert_eq!(parse_uri(&to_uri(&parts)).unwrap(), parts);
        }

        #[test]
        fn no_text_makes_it_panic(uri in "[a-z]{0,3}(://)?\\PC{0,40}") {
            let _ = parse_uri(&uri);
        }
    }
}
