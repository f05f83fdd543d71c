//! What a DAG says of assets.

use std::collections::BTreeSet;

use super::{Asset, AssetAlias, AssetOrAlias, AssetRole};
use crate::dag::{Dag, Schedule};

/// Something that a DAG says of an asset or an alias. The task id is empty for its schedule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reference<'a, T> {
    pub role: AssetRole,
    pub task_id: &'a str,
    pub to: &'a T,
}

/// Everything that a DAG says of assets and aliases, each thing once.
#[derive(Clone, Debug, PartialEq)]
pub struct References<'a> {
    pub assets: Vec<Reference<'a, Asset>>,
    pub aliases: Vec<Reference<'a, AssetAlias>>,
}

pub fn references(dag: &Dag) -> References<'_> {
    let mut found: Vec<Reference<'_, AssetOrAlias>> = Vec::new();
    if let Schedule::Assets { condition } = &dag.schedule {
        let role = AssetRole::Schedule;
        found.extend(condition.leaves().into_iter().map(|to| Reference { role, task_id: "", to }));
    }
    for task in &dag.tasks {
        for (role, named) in [(AssetRole::Outlet, &task.outlets), (AssetRole::Inlet, &task.inlets)] {
            found.extend(named.iter().map(|to| Reference { role, task_id: &task.task_id, to }));
        }
    }
    let assets = found.iter().filter_map(|one| Some(one.with(one.to.asset()?)));
    let aliases = found.iter().filter_map(|one| Some(one.with(one.to.alias()?)));
    References {
        assets: once_each(assets, |one| (one.role, one.task_id, one.to.key())),
        aliases: once_each(aliases, |one| (one.role, one.task_id, one.to.name.as_str())),
    }
}

impl<'a, T> Reference<'a, T> {
    fn with<U>(&self, to: &'a U) -> Reference<'a, U> {
        Reference { role: self.role, task_id: self.task_id, to }
    }
}

fn once_each<T, K: Ord>(found: impl Iterator<Item = T>, key: impl Fn(&T) -> K) -> Vec<T> {
    let mut seen = BTreeSet::new();
    found.filter(|one| seen.insert(key(one))).collect()
}
