use super::instant::{from_wit, to_wit};
use super::object;
use super::wit::assets as wit;
use crate::assets::{Asset, AssetError, AssetEvent, Page, Source};

fn error(error: wit::AssetError) -> AssetError {
    match error {
        wit::AssetError::NotDeclared(text) => AssetError::NotDeclared(text),
        wit::AssetError::Invalid(text) => AssetError::Invalid(text),
        wit::AssetError::TooLarge(limit) => AssetError::TooLarge(limit),
        wit::AssetError::TooMany(limit) => AssetError::TooMany(limit),
        wit::AssetError::Other(text) => AssetError::Other(text),
    }
}

fn event(event: wit::Event) -> AssetEvent {
    let source = |source: wit::Source| Source {
        dag_id: source.dag_id,
        task_id: source.task_id,
        run_id: source.run_id,
        map_index: source.map_index,
    };
    AssetEvent {
        name: event.name,
        uri: event.uri,
        group: event.group,
        extra: object(&event.extra),
        timestamp: from_wit(event.timestamp),
        source: event.source.map(source),
        source_aliases: event.source_aliases,
        partition_key: event.partition_key,
    }
}

pub fn set_extra(outlet: &str, extra: String) -> Result<(), AssetError> {
    wit::set_extra(outlet, &extra).map_err(error)
}

pub fn add_event(alias: &str, asset: &Asset, extra: String) -> Result<(), AssetError> {
    let of_asset = serde_json::to_string(&asset.extra).map_err(|error| AssetError::Invalid(error.to_string()))?;
    let asset = wit::Asset {
        name: asset.name.clone(),
        uri: asset.uri.clone(),
        group: asset.group.clone(),
        extra: Some(of_asset),
    };
    wit::add_event(alias, &asset, &extra).map_err(error)
}

pub fn inlet_events(inlet: &str, page: &Page) -> Result<Vec<AssetEvent>, AssetError> {
    let page = wit::Page {
        after: page.after.map(to_wit),
        before: page.before.map(to_wit),
        limit: page.limit,
        offset: page.offset,
    };
    Ok(wit::inlet_events(inlet, page).map_err(error)?.into_iter().map(event).collect())
}
