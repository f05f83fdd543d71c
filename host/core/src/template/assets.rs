//! Events of assets, as templates see them.

use std::fmt;
use std::sync::Arc;

use minijinja::Value;
use minijinja::value::{Object, ObjectRepr, Serde};

use super::context::{Source, instant};
use super::dates::invalid;
use super::{AssetEventView, LookupError};
use crate::asset::AssetOrAlias;

/// How many events of an inlet a template sees. Airflow reads as many as it is asked for, however many there are.
const MOST_EVENTS: u32 = 100;

/// `triggering_asset_events`: Airflow's mapping from assets, here by their URIs, to lists of events.
pub(super) fn triggering_events(source: &Source) -> Value {
    let events = match source.lookup.asset_events() {
        Ok(events) => events,
        Err(error) => return Value::from(invalid(error.to_string())),
    };
    let mut by_asset: Vec<(String, Vec<Value>)> = Vec::new();
    for event in events {
        let uri = event.uri.clone();
        match by_asset.iter_mut().find(|(of, _)| *of == uri) {
            Some((_, list)) => list.push(shown(event)),
            None => by_asset.push((uri, vec![shown(event)])),
        }
    }
    Value::from_pairs(by_asset.into_iter().map(|(uri, list)| (uri, Value::from(list))))
}

/// `inlet_events`: by an inlet's URI, name or alias, or by its place among the inlets, its events, the oldest first.
pub(super) struct InletEvents(pub Arc<Source>);

impl fmt::Debug for InletEvents {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("<events of inlets>")
    }
}

impl Object for InletEvents {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let inlets = self.0.task().map(|task| task.inlets.as_slice()).unwrap_or_default();
        let Some(inlet) = named(inlets, key) else {
            let reason = format!("the task has no inlet {key}: name one of its `inlets` by URI, name, alias or place");
            return Some(Value::from(invalid(reason)));
        };
        let events: Result<Vec<AssetEventView>, LookupError> = self.0.lookup.inlet_events(inlet, MOST_EVENTS);
        Some(match events {
            Ok(events) => events.into_iter().map(shown).collect(),
            Err(error) => Value::from(invalid(error.to_string())),
        })
    }
}

/// A negative place counts from the last, as everywhere in Jinja.
fn named<'a>(inlets: &'a [AssetOrAlias], key: &Value) -> Option<&'a AssetOrAlias> {
    if let Some(name) = key.as_str() {
        return AssetOrAlias::named(inlets, name);
    }
    let place = key.as_i64()?;
    let place = if place < 0 { place.checked_add_unsigned(inlets.len() as u64)? } else { place };
    inlets.get(usize::try_from(place).ok()?)
}

fn shown(event: AssetEventView) -> Value {
    let asset = [("name", &event.name), ("uri", &event.uri), ("group", &event.group)];
    Value::from_pairs([
        ("asset", Value::from_pairs(asset.map(|(name, text)| (name, Value::from(text.as_str()))))),
        ("uri", Value::from(event.uri)),
        ("extra", Value::from(Serde(&event.extra))),
        ("timestamp", instant(Some(event.timestamp))),
        ("source_dag_id", Value::from(event.source_dag_id)),
        ("source_task_id", Value::from(event.source_task_id)),
        ("source_run_id", Value::from(event.source_run_id)),
        ("source_map_index", Value::from(event.source_map_index)),
        ("source_aliases", Value::from(event.source_aliases)),
        ("partition_key", Value::from(event.partition_key)),
    ])
}
