//! What a task may see of the assets that it produces and uses.

use airlock_core::asset::AssetOrAlias;
use airlock_core::dag::Task;
use airlock_sandbox::capability::assets::{AssetEventInfo, AssetEventSource, Assets, EventPage};
use airlock_store::assets::{AssetEventFilter, AssetEventRow};
use airlock_store::runs::Span;
use airlock_store::{Page, StoreResult};
use async_trait::async_trait;

use crate::services::TryServices;

/// What a task's document names.
#[derive(Debug, Default)]
pub(crate) struct Declared {
    outlets: Vec<AssetOrAlias>,
    inlets: Vec<AssetOrAlias>,
}

impl Declared {
    pub fn of(task: &Task) -> Self {
        Self { outlets: task.outlets.clone(), inlets: task.inlets.clone() }
    }
}

impl TryServices {
    /// Events of an asset, or those that came by an alias, the newest first.
    pub async fn events_of(&self, inlet: &AssetOrAlias, page: &EventPage) -> StoreResult<Vec<AssetEventRow>> {
        let timestamp = Span { gt: page.after, lt: page.before, ..Span::default() };
        let mut filter = AssetEventFilter { timestamp, ..AssetEventFilter::default() };
        match inlet {
            AssetOrAlias::Asset(asset) => filter.asset = Some((asset.name.clone(), asset.uri.clone())),
            AssetOrAlias::Alias(alias) => filter.source_alias = Some(alias.name.clone()),
        }
        let newest_first = ["timestamp", "id"].map(|order| (order.to_owned(), true)).to_vec();
        let page = Page { limit: page.limit, offset: page.offset, order_by: newest_first };
        Ok(self.store().list_asset_events(self.tenant(), &filter, &page).await?.items)
    }
}

fn info(row: AssetEventRow) -> AssetEventInfo {
    let source = row.source_dag_id.zip(row.source_task_id).zip(row.source_run_id);
    AssetEventInfo {
        name: row.name,
        uri: row.uri,
        group: row.group,
        extra: row.extra,
        timestamp: row.timestamp,
        source: source.map(|((dag_id, task_id), run_id)| AssetEventSource {
            dag_id,
            task_id,
            run_id,
            map_index: row.source_map_index,
        }),
        source_aliases: row.source_aliases,
        partition_key: row.partition_key,
    }
}

#[async_trait]
impl Assets for TryServices {
    fn outlets(&self) -> &[AssetOrAlias] {
        self.declared().map(|declared| declared.outlets.as_slice()).unwrap_or_default()
    }

    fn inlets(&self) -> &[AssetOrAlias] {
        self.declared().map(|declared| declared.inlets.as_slice()).unwrap_or_default()
    }

    async fn events(&self, inlet: &AssetOrAlias, page: &EventPage) -> Result<Vec<AssetEventInfo>, String> {
        let found = self.events_of(inlet, page).await.map_err(|error| {
            tracing::error!(%error, "the store failed a running task");
            "the host cannot reach its database".to_owned()
        })?;
        Ok(found.into_iter().map(info).collect())
    }
}
