//! A request whose response is waited for.

use airlock_core::trigger::{Answer, HttpTrigger};
use airlock_sandbox::capability::Caller;
use airlock_sandbox::capability::http::{HttpError, HttpHook, HttpRequest, HttpResponse};
use bytes::Bytes;
use url::Url;

use super::Fault;
use super::look::require;

/// Bytes of a body that are looked into.
const BODY: usize = 64 << 10;

/// Redirects that are followed, as by the `http` operator.
const REDIRECTS: u32 = 10;

pub(super) async fn look(hook: &dyn HttpHook, caller: &Caller, trigger: &HttpTrigger) -> Result<Answer, Fault> {
    if trigger.conn_id.is_none() {
        let url = Url::parse(&trigger.url);
        let url = url.map_err(|error| Fault::Hopeless(format!("`{}` is no absolute URL: {error}", trigger.url)))?;
        let host = url.host_str().ok_or_else(|| Fault::Hopeless(format!("the URL `{}` has no host", trigger.url)))?;
        require(caller, &format!("http:{host}"))?;
    }
    let request = HttpRequest {
        conn_id: trigger.conn_id.clone(),
        method: trigger.method.clone(),
        url: trigger.url.clone(),
        headers: trigger.headers.clone(),
        body: trigger.body.clone().map(Bytes::from),
        timeout: None,
        max_redirects: REDIRECTS,
    };
    let mut response = hook.send(caller, request).await.map_err(fault)?;
    let status = response.status();
    // What is not waited for is not read.
    let body = if trigger.statuses.contains(status) { read(&mut *response).await? } else { None };
    Ok(trigger.answer(status, body.as_deref()))
}

/// The body; none if it is too large.
async fn read(response: &mut dyn HttpResponse) -> Result<Option<Vec<u8>>, Fault> {
    let mut body = Vec::new();
    loop {
        let bytes = response.read(BODY + 1 - body.len()).await.map_err(fault)?;
        if bytes.is_empty() {
            return Ok(Some(body));
        }
        body.extend_from_slice(&bytes);
        if body.len() > BODY {
            return Ok(None);
        }
    }
}

fn fault(error: HttpError) -> Fault {
    match error {
        HttpError::Denied(_) | HttpError::ConnectionNotFound(_) | HttpError::InvalidRequest(_) => {
            Fault::Hopeless(error.to_string())
        }
        _ => Fault::Trouble(error.to_string()),
    }
}
