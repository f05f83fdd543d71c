//! The server's refusals, in words.

use reqwest::StatusCode;
use serde_json::Value;

use crate::failure::Failure;

pub fn failure(status: StatusCode, body: &[u8], has_token: bool) -> Failure {
    let problem: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let mut message = match problem.get("detail") {
        Some(Value::String(detail)) => detail.clone(),
        Some(detail) if !detail.is_null() => detail.to_string(),
        _ => {
            let text = String::from_utf8_lossy(body);
            format!("the server answered {status} {}", text.chars().take(200).collect::<String>()).trim_end().to_owned()
        }
    };
    for fault in problem.get("errors").and_then(Value::as_array).into_iter().flatten() {
        let text = |member| fault.get(member).and_then(Value::as_str).unwrap_or_default();
        message.push_str(&format!("\n  {}: {}", text("pointer"), text("detail")));
    }
    let failure = Failure::new(message);
    match status {
        StatusCode::UNAUTHORIZED if has_token => {
            failure.hint("the token is not valid (any more): `airlock login` gets a new one")
        }
        StatusCode::UNAUTHORIZED => failure.hint("`airlock login` gets a token"),
        StatusCode::FORBIDDEN => {
            failure.hint("this needs a role that your token does not have: see `airlock tokens list`")
        }
        _ => failure,
    }
}
