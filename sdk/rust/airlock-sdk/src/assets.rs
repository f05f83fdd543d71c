//! The assets that the task produces and uses: what is said of its outlets, and the events of its inlets.
//!
//! What a call has said becomes true when that very call ends the task in success, and only then. A task reaches only the assets
//! and aliases that its document names as `outlets` and `inlets`.

use std::time::SystemTime;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::host;

/// Why nothing could be said or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssetError {
    /// The task's document names no such outlet or inlet; the text says which it does.
    #[error("{0}")]
    NotDeclared(String),
    /// What was handed over is not what it should be; the text says what would be right.
    #[error("{0}")]
    Invalid(String),
    /// It would be more bytes than one call may say of events.
    #[error("a task may say {0} bytes of events of assets and no more")]
    TooLarge(u64),
    /// It would be more events than one call may say something of.
    #[error("a task may say something of {0} events of assets and no more")]
    TooMany(u32),
    /// Anything else, in the host's words.
    #[error("{0}")]
    Other(String),
}

/// An asset. Name and URI together are its identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asset {
    /// 1 to 1,500 printable ASCII characters.
    pub name: String,
    /// 1 to 1,500 printable ASCII characters.
    pub uri: String,
    /// For people to find it by; none is `asset`.
    pub group: Option<String>,
    /// What there is to say of the asset itself. It counts only where the asset is not known yet.
    pub extra: Map<String, Value>,
}

impl Asset {
    /// An asset whose URI is its name too.
    pub fn new(uri: impl Into<String>) -> Self {
        let uri = uri.into();
        Self { name: uri.clone(), uri, group: None, extra: Map::new() }
    }

    /// The asset under another name.
    #[must_use]
    pub fn named(self, name: impl Into<String>) -> Self {
        Self { name: name.into(), ..self }
    }
}

/// The task instance whose success an event was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Source {
    /// The DAG.
    pub dag_id: String,
    /// The task, with its groups.
    pub task_id: String,
    /// The DAG run.
    pub run_id: String,
    /// -1 for a task that is not mapped.
    pub map_index: i32,
}

/// Something that has happened to an asset.
#[derive(Clone, Debug, PartialEq)]
pub struct AssetEvent {
    /// The asset's name.
    pub name: String,
    /// The asset's URI.
    pub uri: String,
    /// The asset's group.
    pub group: String,
    /// What was said of the event.
    pub extra: Map<String, Value>,
    /// When it happened.
    pub timestamp: SystemTime,
    /// None for an event that somebody posted.
    pub source: Option<Source>,
    /// The aliases by which it came.
    pub source_aliases: Vec<String>,
    /// The partition that it is about, if its run was about one.
    pub partition_key: Option<String>,
}

/// Which events, the newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Only events after this moment.
    pub after: Option<SystemTime>,
    /// Only events before this moment.
    pub before: Option<SystemTime>,
    /// How many at most, 1 to 1,000; 100 by default.
    pub limit: u32,
    /// How many of the newest to pass over.
    pub offset: u32,
}

impl Default for Page {
    fn default() -> Self {
        Self { after: None, before: None, limit: 100, offset: 0 }
    }
}

fn object(extra: &impl Serialize) -> Result<String, AssetError> {
    serde_json::to_string(extra).map_err(|error| AssetError::Invalid(error.to_string()))
}

/// Sets the extra of the event that the success brings about for one of the outlets, which is named by its URI or its name. It
/// has to be a JSON object. What was set before is replaced.
///
/// # Errors
/// If there is no such outlet, or a limit is passed.
pub fn set_extra(outlet: &str, extra: &impl Serialize) -> Result<(), AssetError> {
    host::assets::set_extra(outlet, object(extra)?)
}

/// Says that an alias among the outlets stands for an asset, and that the success is an event of it too, with this extra: a JSON
/// object. An asset that is not known is made.
///
/// # Errors
/// If there is no such alias, the asset has no proper name, or a limit is passed.
pub fn add_event(alias: &str, asset: &Asset, extra: &impl Serialize) -> Result<(), AssetError> {
    host::assets::add_event(alias, asset, object(extra)?)
}

/// Events of one of the inlets, which is named by its URI, its name or its alias; of an alias, those that came by it.
///
/// # Errors
/// If there is no such inlet, or the page is none.
pub fn inlet_events(inlet: &str, page: &Page) -> Result<Vec<AssetEvent>, AssetError> {
    host::assets::inlet_events(inlet, page)
}
