//! Events that the success of tasks brings about.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Asset, AssetOrAlias};
use crate::dag::Task;
use crate::run::RunChange;
use crate::state::TaskState;

/// What a task has said, while it ran, of the events that its success will bring about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum OutletEvent {
    /// Of the event of one of its outlets. Of several such words on one asset the last holds.
    Extra { name: String, uri: String, extra: Map<String, Value> },
    /// An event more, of an asset that one of its aliases stands for.
    ByAlias { alias: String, asset: Asset, extra: Map<String, Value> },
}

/// An event of an asset that the success of a task instance brings about.
#[derive(Clone, Debug, PartialEq)]
pub struct NewAssetEvent {
    /// The event comes about only if this instance's move is applied.
    pub instance: Uuid,
    pub task_id: String,
    pub map_index: i32,
    /// Made if it is not known and comes by an alias.
    pub asset: Asset,
    pub extra: Map<String, Value>,
    /// The aliases that the task has said stand for the asset. They do from now on.
    pub source_aliases: Vec<String>,
    pub at: DateTime<Utc>,
}

/// Adds to a change of a run the events that it brings about: for each task whose try has succeeded one for each outlet, and
/// those that the try has said come by an alias. `task_of` tells the task and the map index of an instance.
pub fn add_events<'a>(change: &mut RunChange, task_of: impl Fn(Uuid) -> Option<(&'a Task, i32)>) {
    let mut events = Vec::new();
    for moved in &change.moves {
        let Some(settles) = &moved.settles else { continue };
        let succeeds = (moved.to, settles.final_state) == (Some(TaskState::Success), Some(TaskState::Success));
        let Some((task, map_index)) = succeeds.then(|| task_of(moved.instance)).flatten() else { continue };
        events.extend(happened(&task.outlets, &settles.outlet_events).map(|happened| NewAssetEvent {
            instance: moved.instance,
            task_id: task.task_id.clone(),
            map_index,
            asset: happened.asset.clone(),
            extra: happened.extra,
            source_aliases: happened.source_aliases,
            at: moved.at,
        }));
    }
    change.asset_events = events;
}

struct Happened<'a> {
    asset: &'a Asset,
    extra: Map<String, Value>,
    source_aliases: Vec<String>,
}

fn happened<'a>(outlets: &'a [AssetOrAlias], said: &'a [OutletEvent]) -> impl Iterator<Item = Happened<'a>> {
    let of_outlets = outlets.iter().filter_map(AssetOrAlias::asset).map(|asset| {
        let extra = said.iter().rev().find_map(|one| match one {
            OutletEvent::Extra { name, uri, extra } if (name, uri) == (&asset.name, &asset.uri) => Some(extra.clone()),
            _ => None,
        });
        Happened { asset, extra: extra.unwrap_or_default(), source_aliases: Vec::new() }
    });
    of_outlets.chain(by_alias(outlets, said))
}

/// As in Airflow, several aliases that stand for one asset make one event of it, unless they say different things.
fn by_alias<'a>(outlets: &[AssetOrAlias], said: &'a [OutletEvent]) -> Vec<Happened<'a>> {
    let declared: BTreeSet<&str> =
        outlets.iter().filter_map(AssetOrAlias::alias).map(|alias| alias.name.as_str()).collect();
    let mut found: Vec<Happened<'a>> = Vec::new();
    let mut places = BTreeMap::new();
    for one in said {
        let OutletEvent::ByAlias { alias, asset, extra } = one else { continue };
        if !declared.contains(alias.as_str()) {
            continue;
        }
        let written = |members: &Map<String, Value>| Value::Object(members.clone()).to_string();
        let key = (asset.key(), written(&asset.extra), written(extra));
        let place = *places.entry(key).or_insert_with(|| {
            found.push(Happened { asset, extra: extra.clone(), source_aliases: Vec::new() });
            found.len() - 1
        });
        if !found[place].source_aliases.contains(alias) {
            found[place].source_aliases.push(alias.clone());
        }
    }
    found
}
