//! `airlock config`.

use anyhow::Result;
use serde_json::json;

use super::Session;
use crate::config::Origin;
use crate::failure::Failure;
use crate::output::{self, Column};

const COLUMNS: &[Column] = &[("SETTING", "/setting"), ("VALUE", "/value"), ("FROM", "/from"), ("MEANING", "/meaning")];

pub fn run(session: &Session) -> Result<()> {
    let rows: Vec<_> = session
        .config
        .entries()
        .map(|(key, value)| {
            let shown = value.map(|value| if key.secret { "(hidden)" } else { value.text.as_str() });
            let origin = value.map_or(Origin::Default, |value| value.origin.clone());
            json!({ "setting": key.name, "value": shown, "from": origin.to_string(), "meaning": key.help })
        })
        .collect();
    output::rows(session.output, COLUMNS, &rows)
}

/// One value as it is, for scripts. A secret is not told.
pub fn value(setting: &str, session: &Session) -> Result<()> {
    let Some((key, value)) = session.config.entries().find(|(key, _)| key.name == setting) else {
        return Err(Failure::usage(format!("`{setting}` is no setting"))
            .hint("`airlock config show` lists them")
            .into());
    };
    match value {
        Some(_) if key.secret => Err(Failure::new(format!("`{setting}` is secret")).into()),
        Some(value) => output::write(&format!("{}\n", value.text)),
        None => Err(Failure::new(format!("`{setting}` is not set")).into()),
    }
}
