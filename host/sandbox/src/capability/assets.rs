//! The assets that the task produces and uses: answered by the worker. See `wit/assets.wit`.

use airlock_core::asset::AssetOrAlias;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

/// Something that has happened to an asset.
#[derive(Clone, Debug, PartialEq)]
pub struct AssetEventInfo {
    pub name: String,
    pub uri: String,
    pub group: String,
    pub extra: Map<String, Value>,
    pub timestamp: DateTime<Utc>,
    /// None for an event that somebody posted.
    pub source: Option<AssetEventSource>,
    pub source_aliases: Vec<String>,
    pub partition_key: Option<String>,
}

/// The task instance whose success an event was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetEventSource {
    pub dag_id: String,
    pub task_id: String,
    pub run_id: String,
    pub map_index: i32,
}

/// Which events, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventPage {
    pub after: Option<DateTime<Utc>>,
    pub before: Option<DateTime<Utc>>,
    pub limit: u32,
    pub offset: u32,
}

/// One value lives for one call of the operator, so that an implementation knows which task it serves.
#[async_trait]
pub trait Assets: Send + Sync {
    /// What the task's document names as outlets; empty for a callback.
    fn outlets(&self) -> &[AssetOrAlias];
    /// What the task's document names as inlets; empty for a callback.
    fn inlets(&self) -> &[AssetOrAlias];
    /// Events of an asset, or those that came by an alias. The error is in the host's words.
    async fn events(&self, inlet: &AssetOrAlias, page: &EventPage) -> Result<Vec<AssetEventInfo>, String>;
}
