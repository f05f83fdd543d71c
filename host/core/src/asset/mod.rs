//! Assets: the data that tasks produce and use, and runs that follow from it.

mod condition;
mod dependencies;
mod event;
mod reference;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::state::{UnknownName, names};

pub use condition::AssetCondition;
pub use dependencies::{DagLinks, Edge, Graph, LinkTarget, Node, dependencies};
pub use event::{NewAssetEvent, OutletEvent, add_events};
pub use reference::{Reference, References, references};

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
    /// Airflow's longest name or URI of an asset.
    pub const LONGEST: usize = 1_500;

    pub fn key(&self) -> AssetKey<'_> {
        AssetKey { name: &self.name, uri: &self.uri }
    }

    /// Whether a text can be the name or the URI of an asset, or the name of an alias: 1 to [`Self::LONGEST`] printable ASCII
    /// characters.
    pub fn is_name(text: &str) -> bool {
        let is_printable = text.chars().all(|letter| letter.is_ascii_graphic() || letter == ' ');
        !text.trim().is_empty() && text.len() <= Self::LONGEST && is_printable
    }
}

/// What tells one asset of a tenant from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AssetKey<'a> {
    pub name: &'a str,
    pub uri: &'a str,
}

/// A name for assets that are only known when a task runs: the task says which ones they are. The name is its identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssetAlias {
    #[serde(rename = "alias")]
    pub name: String,
    pub group: String,
}

/// What a task produces or uses, or a DAG is scheduled on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum AssetOrAlias {
    Alias(AssetAlias),
    Asset(Asset),
}

impl From<Asset> for AssetOrAlias {
    fn from(asset: Asset) -> Self {
        Self::Asset(asset)
    }
}

impl From<AssetAlias> for AssetOrAlias {
    fn from(alias: AssetAlias) -> Self {
        Self::Alias(alias)
    }
}

impl AssetOrAlias {
    /// The one of these with this URI, name or alias; the first where several have it.
    pub fn named<'a>(of: &'a [Self], name: &str) -> Option<&'a Self> {
        let is_meant = |one: &&Self| match one {
            Self::Asset(asset) => asset.uri == name || asset.name == name,
            Self::Alias(alias) => alias.name == name,
        };
        of.iter().find(is_meant)
    }

    pub fn asset(&self) -> Option<&Asset> {
        match self {
            Self::Asset(asset) => Some(asset),
            Self::Alias(_) => None,
        }
    }

    pub fn alias(&self) -> Option<&AssetAlias> {
        match self {
            Self::Alias(alias) => Some(alias),
            Self::Asset(_) => None,
        }
    }
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
