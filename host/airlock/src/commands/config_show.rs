//! `airlock config show`.

use anyhow::Result;
use serde_json::json;

use super::Session;
use crate::config::Origin;
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
