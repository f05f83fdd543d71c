//! Assets: the data that tasks produce and use, and runs that follow from it.

mod condition;
mod dependencies;

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::dag::{Dag, Schedule, Task};
use crate::run::RunChange;
use crate::state::{TaskState, UnknownName, names};

pub use condition::AssetCondition;
pub use dependencies::{DagLinks, Edge, Graph, Node, dependencies};

/// An asset as a document names it. Name and URI together are its identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asset {
    pub name: String,
    pub uri: String,
    pub group: String,
    #[serde(default)]
    pub extra: Map<String, Value>,
}

impl Asset {
    /// Airflow's group of assets that name none.
    pub const GROUP: &'static str = "asset";

    pub fn key(&self) -> AssetKey<'_> {
        AssetKey { name: &self.name, uri: &self.uri }
    }
}

/// What tells one asset of a tenant from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AssetKey<'a> {
    pub name: &'a str,
    pub uri: &'a str,
}

names! {
    /// What a DAG has to do with an asset.
    AssetRole, "role of an asset", {
        /// Its runs follow from events of the asset.
        Schedule = "schedule",
        /// A task of it produces the asset.
        Outlet = "outlet",
        /// A task of it uses the asset, without effect on scheduling.
        Inlet = "inlet",
    }
}

/// Something that a DAG says of an asset. The task id is empty for its schedule.
#[derive(Clone, Debug, PartialEq)]
pub struct AssetReference<'a> {
    pub role: AssetRole,
    pub task_id: &'a str,
    pub asset: &'a Asset,
}

/// Everything that a DAG says of assets, each thing once.
pub fn references(dag: &Dag) -> Vec<AssetReference<'_>> {
    let mut found = Vec::new();
    if let Schedule::Assets { condition } = &dag.schedule {
        let role = AssetRole::Schedule;
        found.extend(condition.assets().into_iter().map(|asset| AssetReference { role, task_id: "", asset }));
    }
    for task in &dag.tasks {
        for (role, assets) in [(AssetRole::Outlet, &task.outlets), (AssetRole::Inlet, &task.inlets)] {
            found.extend(assets.iter().map(|asset| AssetReference { role, task_id: &task.task_id, asset }));
        }
    }
    let mut seen = BTreeSet::new();
    found.retain(|one| seen.insert((one.role, one.task_id, one.asset.key())));
    found
}

/// An event of an asset that the success of a task instance brings about.
#[derive(Clone, Debug, PartialEq)]
pub struct NewAssetEvent {
    /// The event comes about only if this instance's move is applied.
    pub instance: Uuid,
    pub task_id: String,
    pub map_index: i32,
    pub name: String,
    pub uri: String,
    pub extra: Map<String, Value>,
    pub at: DateTime<Utc>,
}

/// Adds to a change of a run the events that it brings about: one for each outlet of a task whose try has succeeded. `task_of`
/// tells the task and the map index of an instance.
pub fn add_events<'a>(change: &mut RunChange, task_of: impl Fn(Uuid) -> Option<(&'a Task, i32)>) {
    let succeeded = change.moves.iter().filter(|moved| {
        moved.to == Some(TaskState::Success)
            && moved.settles.as_ref().is_some_and(|settles| settles.final_state == Some(TaskState::Success))
    });
    let events = succeeded.filter_map(|moved| {
        let (task, map_index) = task_of(moved.instance)?;
        Some(task.outlets.iter().map(move |asset| NewAssetEvent {
            instance: moved.instance,
            task_id: task.task_id.clone(),
            map_index,
            name: asset.name.clone(),
            uri: asset.uri.clone(),
            extra: Map::new(),
            at: moved.at,
        }))
    });
    change.asset_events = events.flatten().collect();
}
