//! When events of assets make a run.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Asset, AssetKey};

/// A boolean expression over assets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum AssetCondition {
    All { all: Vec<AssetCondition> },
    Any { any: Vec<AssetCondition> },
    Asset(Asset),
}

impl AssetCondition {
    /// Whether it is true where `has_event` says which assets have had an event since the last run that followed from assets.
    pub fn holds(&self, has_event: &impl Fn(AssetKey<'_>) -> bool) -> bool {
        match self {
            Self::All { all } => all.iter().all(|part| part.holds(has_event)),
            Self::Any { any } => any.iter().any(|part| part.holds(has_event)),
            Self::Asset(asset) => has_event(asset.key()),
        }
    }

    /// Every asset in it, in its order.
    pub fn assets(&self) -> Vec<&Asset> {
        match self {
            Self::All { all: parts } | Self::Any { any: parts } => parts.iter().flat_map(Self::assets).collect(),
            Self::Asset(asset) => vec![asset],
        }
    }

    /// As Airflow's API shows it.
    pub fn expression(&self) -> Value {
        let parts = |parts: &[Self]| parts.iter().map(Self::expression).collect::<Value>();
        match self {
            Self::All { all } => json!({ "all": parts(all) }),
            Self::Any { any } => json!({ "any": parts(any) }),
            Self::Asset(Asset { name, uri, group, .. }) => {
                json!({ "asset": { "uri": uri, "name": name, "group": group } })
            }
        }
    }
}
