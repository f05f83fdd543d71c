//! Assets in documents: a URI, or an object with more.

use serde_json::Map;

use super::fields::Found;
use crate::asset::{Asset, AssetAlias, AssetCondition, AssetOrAlias};

/// How deep conditions may be nested, and how many assets one list or condition may have.
const DEEPEST: usize = 16;
const MOST: usize = 1_000;

/// The assets and aliases of `inlets` or `outlets`.
pub(super) fn list(found: &Found<'_>) -> Vec<AssetOrAlias> {
    let assets: Vec<AssetOrAlias> =
        found.items().into_iter().flatten().take(MOST + 1).filter_map(|item| asset_or_alias(&item)).collect();
    if assets.len() > MOST {
        found.fault(format!("at most {MOST} assets are allowed here"));
    }
    assets
}

/// A condition of assets, `{"all": [..]}`, `{"any": [..]}`, an asset or an alias.
pub(super) fn condition(found: &Found<'_>) -> Option<AssetCondition> {
    let read = nested(found, 0)?;
    if read.leaves().len() > MOST {
        found.fault(format!("a condition has at most {MOST} assets"));
        return None;
    }
    Some(read)
}

fn nested(found: &Found<'_>, depth: usize) -> Option<AssetCondition> {
    let Some(kind) = ["all", "any"].into_iter().find(|kind| found.value.get(kind).is_some()) else {
        if found.value.is_string() || found.value.is_object() {
            return asset_or_alias(found).map(AssetCondition::Leaf);
        }
        found.expected("an asset's URI, an asset, `{\"all\": [..]}` or `{\"any\": [..]}`");
        return None;
    };
    if depth == DEEPEST {
        found.fault(format!("conditions are nested at most {DEEPEST} deep"));
        return None;
    }
    let fields = found.fields()?;
    fields.refuse_unknown("a condition of assets", &[&[kind]]);
    let list = fields.required(kind)?;
    let parts: Vec<AssetCondition> = list.items()?.take(MOST + 1).filter_map(|item| nested(&item, depth + 1)).collect();
    if list.value.as_array().is_some_and(Vec::is_empty) {
        list.fault("expected at least one asset or condition");
        return None;
    }
    Some(if kind == "all" { AssetCondition::All { all: parts } } else { AssetCondition::Any { any: parts } })
}

/// An asset, or an object with `alias`.
fn asset_or_alias(found: &Found<'_>) -> Option<AssetOrAlias> {
    if found.value.get("alias").is_none() {
        return asset(found).map(AssetOrAlias::Asset);
    }
    let fields = found.fields()?;
    fields.refuse_unknown("an alias of assets", &[&["alias", "group"]]);
    let name = checked(&fields.required("alias")?)?;
    let group = fields.text("group").unwrap_or_else(|| Asset::GROUP.to_owned());
    Some(AssetOrAlias::Alias(AssetAlias { name, group }))
}

/// A URI, which is the name too, or an object with `uri`, `name` or both.
fn asset(found: &Found<'_>) -> Option<Asset> {
    if found.value.is_string() {
        let uri = checked(found)?;
        return Some(Asset { name: uri.clone(), uri, group: Asset::GROUP.to_owned(), extra: Map::new() });
    }
    if !found.value.is_object() {
        found.expected("an asset's URI, or an object with `uri`, `name` or `alias`");
        return None;
    }
    let fields = found.fields()?;
    fields.refuse_unknown("an asset", &[&["uri", "name", "group", "extra"]]);
    let member = |name| fields.get(name).map(|found| checked(&found));
    let (name, uri) = match (member("name"), member("uri")) {
        (None, None) => {
            fields.fault("an asset needs a `uri` or a `name`");
            return None;
        }
        (Some(name), None) => (name.clone()?, name?),
        (None, Some(uri)) => (uri.clone()?, uri?),
        (Some(name), Some(uri)) => (name?, uri?),
    };
    let group = fields.text("group").unwrap_or_else(|| Asset::GROUP.to_owned());
    let extra = fields.get("extra").and_then(|found| found.object().cloned()).unwrap_or_default();
    Some(Asset { name, uri, group, extra })
}

fn checked(found: &Found<'_>) -> Option<String> {
    let text = found.text()?;
    if !Asset::is_name(text) {
        found.expected(format!("1 to {} printable ASCII characters", Asset::LONGEST));
        return None;
    }
    Some(text.to_owned())
}
