//! Reads what has happened to an asset that the task uses.

use std::time::SystemTime;

use airlock_sdk::assets::{self, AssetEvent, Page};
use airlock_sdk::prelude::*;
use airlock_sdk::{format_moment, moment};

/// Which events to read.
#[arguments]
struct InletEvents {
    /// One of the task's inlets, by its URI, name or alias.
    inlet: String,
    /// Only events after this moment, such as `{{ prev_start_date_success }}`; empty and `None` are no moment.
    #[serde(default)]
    after: Option<String>,
    /// Only events before this moment.
    #[serde(default)]
    before: Option<String>,
    /// How many at most, the newest ones.
    #[serde(default = "hundred")]
    limit: u32,
}

fn hundred() -> u32 {
    100
}

fn optional(text: Option<String>) -> Result<Option<SystemTime>> {
    let said = text.filter(|text| !matches!(text.trim(), "" | "None"));
    said.map(|text| moment(&text).map_err(Error::fail)).transpose()
}

fn shown(event: AssetEvent) -> Value {
    json!({
        "uri": event.uri,
        "name": event.name,
        "group": event.group,
        "extra": event.extra,
        "timestamp": format_moment(event.timestamp),
        "source": event.source,
        "source_aliases": event.source_aliases,
        "partition_key": event.partition_key,
    })
}

/// Reads what has happened to an asset that the task uses.
///
/// The events become the XCom `return_value`, the oldest first, so that other tasks can be mapped over them.
#[operator(name = "inlet-events", template_fields(inlet, after, before))]
fn inlet_events(arguments: InletEvents) -> Result<Vec<Value>> {
    let InletEvents { inlet, after, before, limit } = arguments;
    let page = Page { after: optional(after)?, before: optional(before)?, limit, offset: 0 };
    let events = assets::inlet_events(&inlet, &page).map_err(Error::fail)?;
    log::info!("{} events of {inlet}", events.len());
    Ok(events.into_iter().rev().map(shown).collect())
}

#[cfg(test)]
mod tests;
