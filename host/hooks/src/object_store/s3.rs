//! S3 and what speaks its language: connection types `aws` and `s3`.

use std::sync::Arc;
use std::time::Duration;

use airlock_sandbox::capability::Caller;
use airlock_sandbox::capability::object_store::ObjectError;
use airlock_sandbox::capability::task::Connection;
use airlock_sandbox::egress::EgressError;
use object_store::aws::{AmazonS3Builder, S3CopyIfNotExists};
use object_store::client::{HttpClient, HttpConnector};
use object_store::{ClientOptions, RetryConfig};
use url::Url;

use super::bucket::{Lister, Shared, StoreBucket};
use crate::Hooks;
use crate::connection::{Secrets, extra_flag, extra_text, filled};

const DEFAULT_REGION: &str = "us-east-1";
/// Beyond this, a task's own retries are what helps.
const RETRIES: usize = 3;
const RETRY_FOR: Duration = Duration::from_secs(20);

/// Login and password are the access key and its secret; `extra` has `endpoint_url`, `region_name`, `bucket`,
/// `aws_session_token`, `virtual_hosted_style` and `allow_http`.
pub(super) async fn open(
    hooks: &Hooks,
    caller: &Caller,
    connection: &Connection,
    bucket: Option<String>,
) -> Result<StoreBucket, ObjectError> {
    let conn_id = &connection.info.conn_id;
    let invalid = |reason: String| ObjectError::Invalid(format!("connection `{conn_id}`: {reason}"));
    let text = |name: &str| extra_text(connection, name).map_err(ObjectError::Invalid);
    let flag = |name: &str| extra_flag(connection, name).map_err(ObjectError::Invalid);
    let bucket = bucket.ok_or_else(|| {
        invalid("no bucket is named, neither by the call nor in `extra.bucket` or `schema`".to_owned())
    })?;
    if bucket.contains(['/', '\\', '?', '#', '@', ':']) || bucket.starts_with('.') {
        return Err(ObjectError::Invalid(format!("`{bucket}` is no name of a bucket")));
    }
    if text("role_arn")?.is_some() {
        return Err(invalid(
            "`extra.role_arn` is not supported; give the keys of a user, or temporary ones".to_owned(),
        ));
    }
    let region = text("region_name")?.unwrap_or_else(|| DEFAULT_REGION.to_owned());
    let virtual_hosted = flag("virtual_hosted_style")?.unwrap_or(false);
    let endpoint = match text("endpoint_url")? {
        Some(endpoint) => endpoint,
        None => format!("https://s3.{region}.amazonaws.com"),
    };
    let url = Url::parse(&endpoint)
        .ok()
        .filter(|url| url.has_host() && url.username().is_empty() && url.password().is_none())
        .ok_or_else(|| invalid("`extra.endpoint_url` must be a URL such as `https://s3.example.com`".to_owned()))?;
    match (url.scheme(), flag("allow_http")?) {
        ("https", _) | ("http", None | Some(true)) => {}
        ("http", Some(false)) => {
            return Err(invalid("`extra.endpoint_url` is plain HTTP, which `extra.allow_http` forbids".to_owned()));
        }
        _ => return Err(invalid("`extra.endpoint_url` must begin with `https://` or `http://`".to_owned())),
    }
    check_endpoint(hooks, caller, &url).await?;

    // In virtual-hosted style the bucket is part of the endpoint, and the store does not put it there.
    let endpoint = if virtual_hosted {
        with_bucket(&url, &bucket).ok_or_else(|| invalid("the endpoint cannot take the bucket's name".to_owned()))?
    } else {
        url
    };
    let client = hooks.client(caller).map_err(ObjectError::Other)?;
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_region(region)
        .with_endpoint(endpoint.as_str().trim_end_matches('/'))
        .with_allow_http(endpoint.scheme() == "http")
        .with_virtual_hosted_style_request(virtual_hosted)
        .with_copy_if_not_exists(S3CopyIfNotExists::Multipart)
        .with_retry(RetryConfig { max_retries: RETRIES, retry_timeout: RETRY_FOR, ..RetryConfig::default() })
        .with_http_connector(Connector(client));
    let login = filled(connection.info.login.as_deref());
    builder = match (login, filled(connection.password.as_deref())) {
        (Some(key), Some(secret)) => builder.with_access_key_id(key).with_secret_access_key(secret),
        // Without keys the store would ask the machine's metadata service for the host's own.
        (None, None) => builder.with_skip_signature(true),
        _ => return Err(invalid("login and password are needed both, or neither".to_owned())),
    };
    if let Some(token) = text("aws_session_token")? {
        builder = builder.with_token(token);
    }
    let secrets = Secrets::of(connection);
    let store = builder.build().map_err(|error| invalid(secrets.mask(&error.to_string())))?;
    let store = Arc::new(store);
    Ok(StoreBucket(Arc::new(Shared {
        store: store.clone(),
        lister: Lister::Pages(store),
        secrets,
        timeout: hooks.options.object_store_timeout,
    })))
}

/// A refusal now, and not after the retries of the first request. The client itself checks each name that it resolves; an
/// address in place of a name is checked here alone.
async fn check_endpoint(hooks: &Hooks, caller: &Caller, url: &Url) -> Result<(), ObjectError> {
    let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(443));
    let checked = hooks.gate.resolve_and_check(host, port, &caller.egress).await;
    checked.map(drop).map_err(|error| match error {
        EgressError::Denied(text) => ObjectError::Denied(text),
        EgressError::Dns(text) => ObjectError::Connect(text),
    })
}

fn with_bucket(url: &Url, bucket: &str) -> Option<Url> {
    let mut url = url.clone();
    let host = format!("{bucket}.{}", url.domain()?);
    url.set_host(Some(&host)).ok()?;
    Some(url)
}

/// Hands out the tenant's own client, whatever the options say.
#[derive(Debug)]
struct Connector(reqwest::Client);

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.0.clone()))
    }
}
