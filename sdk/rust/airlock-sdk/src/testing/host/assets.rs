use serde_json::Value;

use super::current;
use crate::assets::{Asset, AssetError, AssetEvent, Page};
use crate::testing::Said;

fn object(extra: &str) -> Result<serde_json::Map<String, Value>, AssetError> {
    serde_json::from_str(extra).map_err(|_| AssetError::Invalid(format!("`extra` is no JSON object: {extra}")))
}

pub fn set_extra(outlet: &str, extra: String) -> Result<(), AssetError> {
    current().said.lock().push(Said::Extra { outlet: outlet.into(), extra: object(&extra)? });
    Ok(())
}

pub fn add_event(alias: &str, asset: &Asset, extra: String) -> Result<(), AssetError> {
    let said = Said::ByAlias { alias: alias.into(), asset: asset.clone(), extra: object(&extra)? };
    current().said.lock().push(said);
    Ok(())
}

pub fn inlet_events(inlet: &str, page: &Page) -> Result<Vec<AssetEvent>, AssetError> {
    let host = current();
    let inlets = host.inlets.lock();
    let events = inlets.get(inlet).ok_or_else(|| {
        AssetError::NotDeclared(format!("the task has no inlet `{inlet}`: `with_inlet` gives it one"))
    })?;
    let is_meant = |event: &&AssetEvent| {
        page.after.is_none_or(|after| event.timestamp > after)
            && page.before.is_none_or(|before| event.timestamp < before)
    };
    let mut found: Vec<AssetEvent> = events.iter().filter(is_meant).cloned().collect();
    found.sort_by_key(|event| std::cmp::Reverse(event.timestamp));
    Ok(found.into_iter().skip(page.offset as usize).take(page.limit as usize).collect())
}
