//! `airlock events`.

use anyhow::Result;
use serde_json::{Value, json};

use super::Session;
use crate::cli::EventsCommand;
use crate::client::segment;
use crate::failure::Failure;
use crate::output::{self, Column};

const COLUMNS: &[Column] = &[("EVENT", "/name"), ("WOKEN", "/woken"), ("KEPT UNTIL", "/kept_until")];

pub async fn run(command: EventsCommand, session: &Session) -> Result<()> {
    let EventsCommand::Post(event) = command;
    let mut body = json!({});
    if let Some(payload) = &event.payload {
        body["payload"] = serde_json::from_str::<Value>(payload).map_err(|error| {
            Failure::usage(format!("--payload is no JSON: {error}")).hint("a text needs its own quotes: '\"done\"'")
        })?;
    }
    if let Some(seconds) = event.keep_for {
        body["keep_for"] = json!(seconds);
    }
    let posted = session.client()?.post(&format!("/api/v2/triggerEvents/{}", segment(&event.name)), &body).await?;
    output::record(session.output, COLUMNS, &posted)
}
