//! When events of assets make a run.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Asset, AssetAlias, AssetOrAlias};

/// A boolean expression over assets. An alias stands for any of the assets that tasks have said it stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum AssetCondition {
    All { all: Vec<AssetCondition> },
    Any { any: Vec<AssetCondition> },
    Leaf(AssetOrAlias),
}

impl<T: Into<AssetOrAlias>> From<T> for AssetCondition {
    fn from(leaf: T) -> Self {
        Self::Leaf(leaf.into())
    }
}

impl AssetCondition {
    /// Whether it is true where `has_event` says which assets, or assets of an alias, have had an event since the last run that
    /// followed from assets.
    pub fn holds(&self, has_event: &impl Fn(&AssetOrAlias) -> bool) -> bool {
        match self {
            Self::All { all } => all.iter().all(|part| part.holds(has_event)),
            Self::Any { any } => any.iter().any(|part| part.holds(has_event)),
            Self::Leaf(leaf) => has_event(leaf),
        }
    }

    /// Every asset and alias in it, in its order.
    pub fn leaves(&self) -> Vec<&AssetOrAlias> {
        match self {
            Self::All { all: parts } | Self::Any { any: parts } => parts.iter().flat_map(Self::leaves).collect(),
            Self::Leaf(leaf) => vec![leaf],
        }
    }

    /// As Airflow's API shows it.
    pub fn expression(&self) -> Value {
        let parts = |parts: &[Self]| parts.iter().map(Self::expression).collect::<Value>();
        match self {
            Self::All { all } => json!({ "all": parts(all) }),
            Self::Any { any } => json!({ "any": parts(any) }),
            Self::Leaf(AssetOrAlias::Asset(Asset { name, uri, group, .. })) => {
                json!({ "asset": { "uri": uri, "name": name, "group": group } })
            }
            Self::Leaf(AssetOrAlias::Alias(AssetAlias { name, group })) => {
                json!({ "alias": { "name": name, "group": group } })
            }
        }
    }
}
