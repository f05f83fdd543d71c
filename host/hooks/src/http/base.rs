//! What a connection adds to a request: the base URL, headers and credentials. Fields are read as Airflow reads them.

use airlock_sandbox::capability::task::Connection;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use url::Url;

use super::sensitive;
use crate::connection::{extra_flag, extra_text, filled};

/// Members of `extra` that are no headers, ours and Airflow's.
const SETTINGS: [&str; 17] = [
    "allow_redirects",
    "auth_kwargs",
    "auth_type",
    "bearer_token",
    "cert",
    "check_response",
    "headers",
    "max_redirects",
    "proxies",
    "proxy",
    "stream",
    "tcp_keep_alive",
    "tcp_keep_alive_count",
    "timeout",
    "token",
    "trust_env",
    "verify",
];

pub(super) struct Base {
    pub url: Url,
    /// All of them marked as sensitive.
    pub headers: HeaderMap,
}

impl Base {
    /// # Errors
    /// A sentence that names the connection and the field.
    pub(super) fn of(connection: &Connection) -> Result<Self, String> {
        let info = &connection.info;
        let conn_id = &info.conn_id;
        if !super::TYPES.contains(&info.conn_type.as_str()) {
            return Err(format!("connection `{conn_id}` is of type `{}`; HTTP needs `http`", info.conn_type));
        }
        if extra_flag(connection, "verify").unwrap_or(None) == Some(false) {
            return Err(format!(
                "connection `{conn_id}`: `extra.verify` must not be false; certificates are always verified"
            ));
        }
        let host = filled(info.host.as_deref()).ok_or_else(|| format!("connection `{conn_id}` has no host"))?;
        let text = if host.contains("://") {
            host.to_owned()
        } else {
            let default = if info.conn_type == "https" { "https" } else { "http" };
            format!("{}://{host}", filled(info.schema.as_deref()).unwrap_or(default))
        };
        let mut url =
            Url::parse(&text).map_err(|error| format!("connection `{conn_id}`: `{text}` is no URL: {error}"))?;
        check_scheme(&url).map_err(|reason| format!("connection `{conn_id}`: {reason}"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(format!(
                "connection `{conn_id}`: login and password belong in their own fields, not in the host"
            ));
        }
        if let Some(port) = info.port {
            url.set_port(Some(port)).map_err(|()| format!("connection `{conn_id}`: the URL takes no port"))?;
        }
        url.set_query(None);
        url.set_fragment(None);
        Ok(Self { url, headers: headers(connection)? })
    }

    /// A path below the base URL, with its query; or an absolute URL that is below it, such as the link to a next page.
    pub(super) fn join(&self, path: &str) -> Result<Url, String> {
        let base = self.url.as_str().trim_end_matches('/');
        let text = match path {
            "" => self.url.to_string(),
            _ if Url::parse(path).is_ok_and(|url| check_scheme(&url).is_ok()) => path.to_owned(),
            _ if path.starts_with('?') => format!("{base}{path}"),
            _ => format!("{base}/{}", path.trim_start_matches('/')),
        };
        let url = Url::parse(&text).map_err(|error| format!("`{path}` is no path of a URL: {error}"))?;
        let root = self.url.path().trim_end_matches('/');
        let below = url.path().strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let no_login = url.username().is_empty() && url.password().is_none();
        if url.origin() == self.url.origin() && below && no_login {
            Ok(url)
        } else {
            Err(format!("`{path}` is not below the connection's base URL {base}"))
        }
    }
}

pub(super) fn check_scheme(url: &Url) -> Result<(), String> {
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(()),
        scheme => Err(format!("`{scheme}` is no scheme to send to; it must be `http` or `https`")),
    }
}

pub(super) fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), String> {
    let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("`{name}` is no name of a header"))?;
    let value = HeaderValue::from_str(value)
        .or_else(|_| HeaderValue::from_bytes(value.as_bytes()))
        .map_err(|_| format!("the value of the header `{name}` has a line break or another control character"))?;
    Ok((parsed, value))
}

fn headers(connection: &Connection) -> Result<HeaderMap, String> {
    let conn_id = &connection.info.conn_id;
    let mut found = HeaderMap::new();
    let mut add = |name: &str, value: &Value| {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => {
                return Err(format!("connection `{conn_id}`: the header `{name}` in `extra` must be a text"));
            }
        };
        let (name, value) = header(name, &text).map_err(|reason| format!("connection `{conn_id}`: {reason}"))?;
        found.insert(name, sensitive(value));
        Ok(())
    };
    for (name, value) in &connection.extra {
        if !SETTINGS.contains(&name.as_str()) {
            add(name, value)?;
        }
    }
    match connection.extra.get("headers") {
        None | Some(Value::Null) => {}
        Some(Value::Object(headers)) => headers.iter().try_for_each(|(name, value)| add(name, value))?,
        Some(_) => return Err(format!("connection `{conn_id}`: `extra.headers` must be an object")),
    }
    let token = match extra_text(connection, "bearer_token")? {
        Some(token) => Some(token),
        None => extra_text(connection, "token")?,
    };
    let login = filled(connection.info.login.as_deref());
    let authorization = match (token, login, filled(connection.password.as_deref())) {
        (Some(token), _, _) => format!("Bearer {token}"),
        (None, None, None) => return Ok(found),
        (None, login, _) => {
            let password = connection.password.as_deref().unwrap_or_default();
            format!("Basic {}", base64(&format!("{}:{password}", login.unwrap_or_default())))
        }
    };
    let value = HeaderValue::from_str(&authorization)
        .map_err(|_| format!("connection `{conn_id}`: the token has a line break or another control character"))?;
    found.insert(AUTHORIZATION, sensitive(value));
    Ok(found)
}

fn base64(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::connection::tests::connection;

    fn base(host: &str, schema: Option<&str>, port: Option<u16>) -> Result<Base, String> {
        let mut connection = connection("http", json!({}));
        connection.info.host = Some(host.to_owned());
        connection.info.schema = schema.map(str::to_owned);
        connection.info.port = port;
        Base::of(&connection)
    }

    #[test]
    fn the_base_url_is_made_as_airflow_makes_it() {
        for (host, schema, port, url) in [
            ("api.example.com", None, None, "http://api.example.com/"),
            ("api.example.com", Some("https"), None, "https://api.example.com/"),
            ("api.example.com", Some("https"), Some(8443), "https://api.example.com:8443/"),
            ("https://api.example.com/v2", None, None, "https://api.example.com/v2"),
            ("https://api.example.com/v2/", Some("http"), Some(444), "https://api.example.com:444/v2/"),
        ] {
            assert_eq!(base(host, schema, port).unwrap().url.as_str(), url);
        }
        for host in ["", "ftp://files.example.com", "https://me:secret@api.example.com", "file:///etc/passwd"] {
            assert!(base(host, None, None).is_err(), "{host}");
        }
    }

    #[test]
    fn paths_stay_below_the_base_url() {
        let base = base("https://api.example.com/v2", None, None).unwrap();
        for (path, url) in [
            ("", "https://api.example.com/v2"),
            ("items", "https://api.example.com/v2/items"),
            ("/items?page=2", "https://api.example.com/v2/items?page=2"),
            ("?page=2", "https://api.example.com/v2?page=2"),
            ("a/../b", "https://api.example.com/v2/b"),
            ("https://api.example.com/v2/items?page=3", "https://api.example.com/v2/items?page=3"),
            ("login?next=https://other.example/", "https://api.example.com/v2/login?next=https://other.example/"),
        ] {
            assert_eq!(base.join(path).map(String::from), Ok(url.to_owned()));
        }
        for path in [
            "../v1/items",
            "https://other.example/v2/items",
            "http://api.example.com/v2/items",
            "https://api.example.com/v22/items",
            "https://me@api.example.com/v2/items",
            "%2e%2e/admin",
        ] {
            assert!(base.join(path).is_err(), "{path}");
        }
        assert_eq!(base.join("@evil.example/").unwrap().host_str(), Some("api.example.com"));
    }

    #[test]
    fn credentials_become_headers_that_are_sensitive() {
        let mut connection = connection("http", json!({"X-Key": "k1", "headers": {"X-Other": 2}, "timeout": 5}));
        connection.info.host = Some("api.example.com".to_owned());
        connection.info.login = Some("me".to_owned());
        connection.password = Some("secret".to_owned());
        let headers = Base::of(&connection).unwrap().headers;
        assert_eq!(headers.len(), 3);
        assert_eq!(headers["authorization"], "Basic bWU6c2VjcmV0");
        assert_eq!((&headers["x-key"], &headers["x-other"]), (&"k1".parse().unwrap(), &"2".parse().unwrap()));
        assert!(headers.values().all(HeaderValue::is_sensitive));

        connection.extra.insert("bearer_token".to_owned(), json!("t0ken"));
        assert_eq!(Base::of(&connection).unwrap().headers["authorization"], "Bearer t0ken");
        connection.extra.insert("bad\nname".to_owned(), json!("x"));
        assert!(Base::of(&connection).is_err());
    }
}
