//! Airflow's cursors: opaque words that say where the next page begins.

use airlock_store::Page;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::models::Entries;
use crate::problem::{Answer, Problem};

#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct CursorQuery {
    /// Empty for the first page, then `next_cursor` of the answer before. `offset` is ignored beside it.
    pub cursor: Option<String>,
}

impl CursorQuery {
    /// Moves the page to where the cursor points.
    ///
    /// # Errors
    /// 400 for a cursor that no answer held.
    pub fn apply(&self, page: &mut Page) -> Answer<()> {
        if let Some(cursor) = &self.cursor {
            page.offset = if cursor.is_empty() { 0 } else { decode(cursor)? };
        }
        Ok(())
    }

    pub fn entries(&self, page: &Page, total: u64) -> Entries {
        if self.cursor.is_none() {
            return Entries { total_entries: Some(total), ..Entries::default() };
        }
        let next = page.offset.saturating_add(page.limit);
        Entries {
            total_entries: Some(total),
            total_entries_limit: None,
            next_cursor: (u64::from(next) < total && page.limit > 0).then(|| encode(next)),
            previous_cursor: (page.offset > 0).then(|| encode(page.offset.saturating_sub(page.limit))),
        }
    }
}

fn encode(offset: u32) -> String {
    URL_SAFE_NO_PAD.encode(format!("from:{offset}"))
}

fn decode(cursor: &str) -> Answer<u32> {
    let text = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    text.and_then(|text| text.strip_prefix("from:")?.parse().ok())
        .ok_or_else(|| Problem::bad_request("the cursor is none that this server gave"))
}
