//! Opening runs that follow from events of assets.

use airlock_core::asset::AssetOrAlias;
use airlock_core::dag::Schedule;
use airlock_core::state::{RunType, TriggeredBy};
use airlock_core::timetable::run_id;
use airlock_store::StoreResult;
use airlock_store::assets::AssetTurn;
use airlock_store::runs::NewRun;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::round::Round;
use crate::scheduler::Scheduler;

impl Scheduler {
    /// Looks at what has been queued for DAGs since somebody last looked, and opens a run where it suffices.
    pub(crate) async fn open_asset_runs(&mut self, now: DateTime<Utc>, round: &mut Round) -> StoreResult<()> {
        let turns = self.store.asset_turns(self.options.batch).await?;
        for turn in &turns {
            let run = is_met(turn).then(|| new_run(turn, now)).flatten();
            if let Some(opened) = self.store.open_asset_run(turn, run.as_ref()).await? {
                let (dag_id, run_id) = (&opened.dag_id, &opened.run_id);
                tracing::info!(dag.id = dag_id, run.id = run_id, "{dag_id}/{run_id} follows from its assets");
            }
        }
        // What was queued meanwhile is looked at in the next round.
        round.more |= !turns.is_empty();
        Ok(())
    }
}

fn is_met(turn: &AssetTurn) -> bool {
    let Schedule::Assets { condition } = &turn.row.dag.schedule else { return false };
    condition.holds(&|leaf| {
        turn.queued.iter().any(|queued| match leaf {
            AssetOrAlias::Asset(asset) => (&queued.name, &queued.uri) == (&asset.name, &asset.uri),
            AssetOrAlias::Alias(alias) => queued.aliases.contains(&alias.name),
        })
    })
}

/// A run as of the newest of the events.
fn new_run(turn: &AssetTurn, now: DateTime<Utc>) -> Option<NewRun> {
    let run_after = turn.queued.iter().map(|queued| queued.created_at).max()?;
    let distinct = Uuid::new_v4().simple().to_string();
    Some(NewRun {
        tenant: turn.row.tenant,
        dag_id: turn.row.dag_id.clone(),
        run_id: run_id(RunType::AssetTriggered, run_after, distinct.get(..8)),
        run_type: RunType::AssetTriggered,
        logical_date: None,
        data_interval: None,
        run_after,
        conf: serde_json::Map::new(),
        note: None,
        triggered_by: TriggeredBy::Asset,
        partition: None,
        triggering_user: None,
        now,
    })
}
