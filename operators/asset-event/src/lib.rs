//! Says what has happened to the assets that the task produces.

use airlock_sdk::assets::{self, Asset};
use airlock_sdk::prelude::*;
use airlock_sdk::serde_json::Map;

/// What has happened.
#[arguments]
struct AssetEvents {
    /// The events.
    events: Vec<Happened>,
}

/// Something that has happened to an asset.
#[arguments]
struct Happened {
    /// The asset: its URI, or an object with more. Without an alias it is one of the task's outlets.
    asset: Named,
    /// The alias among the task's outlets that stands for the asset.
    #[serde(default)]
    alias: Option<String>,
    /// What there is to say of it.
    #[serde(default)]
    extra: Map<String, Value>,
}

/// An asset.
#[arguments]
#[serde(untagged)]
enum Named {
    /// A URI, which is the name too.
    Uri(String),
    /// A URI, a name, or both.
    Whole(Whole),
}

/// An asset with all that it has.
#[arguments]
struct Whole {
    /// The URI; the name unless it is given.
    #[serde(default)]
    uri: Option<String>,
    /// The name; the URI unless it is given.
    #[serde(default)]
    name: Option<String>,
    /// For people to find it by.
    #[serde(default)]
    group: Option<String>,
    /// What there is to say of the asset itself, where it is not known yet.
    #[serde(default)]
    extra: Map<String, Value>,
}

impl Named {
    fn asset(self) -> Result<Asset> {
        let whole = match self {
            Self::Uri(uri) => return Ok(Asset::new(uri)),
            Self::Whole(whole) => whole,
        };
        let (name, uri) = match (whole.name, whole.uri) {
            (Some(name), Some(uri)) => (name, uri),
            (Some(one), None) | (None, Some(one)) => (one.clone(), one),
            (None, None) => return Err(Error::fail("an asset needs a `uri` or a `name`")),
        };
        Ok(Asset { name, uri, group: whole.group, extra: whole.extra })
    }
}

/// Says what has happened to the assets that the task produces.
///
/// An event without an alias gives the `extra` of the event of one of the task's outlets. One with an alias is an event more, of
/// the asset that the alias stands for in this run.
#[operator(name = "asset-event", template_fields(events))]
fn asset_event(arguments: AssetEvents) -> Result<()> {
    for Happened { asset, alias, extra } in arguments.events {
        let asset = asset.asset()?;
        let said = match &alias {
            Some(alias) => assets::add_event(alias, &asset, &extra),
            None => assets::set_extra(&asset.uri, &extra),
        };
        // What the task may not say now, it may not say the next time.
        said.map_err(Error::fail)?;
        match alias {
            Some(alias) => log::info!("{} has changed, which {alias} stands for", asset.uri),
            None => log::info!("{} has changed", asset.uri),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
