//! Opening the runs of backfills.

use airlock_core::backfill::{Action, PassedOver, decide, reprocess};
use airlock_core::run::{Instance, Plan};
use airlock_core::state::{RunType, TriggeredBy};
use airlock_core::timetable::{Partition, partition, partition_run_id, run_id};
use airlock_store::backfills::{Opening, Turn};
use airlock_store::runs::{NewRun, RunFilter, RunRow, Span};
use airlock_store::{Page, StoreResult};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::round::Round;
use crate::scheduler::Scheduler;

/// Slots of each backfill that one round opens: the runs that are there already are not to wait for all of them.
const SLOTS: usize = 20;

impl Scheduler {
    /// Gives the next slots of backfills their runs, and completes backfills that have nothing left to do.
    pub(crate) async fn open_backfills(&mut self, now: DateTime<Utc>, round: &mut Round) -> StoreResult<()> {
        for _ in 0..SLOTS {
            let turns = self.store.backfill_turns(self.options.batch).await?;
            if turns.is_empty() {
                break;
            }
            for turn in &turns {
                self.open_slot(turn, now).await?;
            }
            round.more = true;
        }
        let completed = self.store.complete_backfills(now).await?;
        if completed > 0 {
            tracing::info!("{completed} backfills are complete");
        }
        Ok(())
    }

    async fn open_slot(&self, turn: &Turn, now: DateTime<Utc>) -> StoreResult<()> {
        let (backfill, dag_id) = (&turn.backfill, &turn.backfill.dag_id);
        let partition = self.partition_of_slot(turn).await?;
        let existing = self.run_of_slot(turn, partition.as_ref()).await?;
        let opened = match (decide(existing.as_ref().map(|run| run.state), backfill.reprocess), existing) {
            (Action::Create, _) => {
                let run = new_run(turn, partition, None, now);
                self.store.open_slot(turn, &Opening::Create(&run), now).await?
            }
            // As in Airflow, a partition gets another run, and the one that it has stays as it is.
            (Action::Reprocess, Some(_)) if partition.is_some() => {
                let distinct = Uuid::new_v4().simple().to_string();
                let run = new_run(turn, partition, distinct.get(..8), now);
                self.store.open_slot(turn, &Opening::Create(&run), now).await?
            }
            (Action::Reprocess, Some(existing)) => self.reprocess(turn, &existing, now).await?,
            (Action::Pass(reason), _) => self.store.open_slot(turn, &Opening::Pass(reason), now).await?,
            // There is nothing to make anew without a run; `decide` never says so.
            (Action::Reprocess, None) => return Ok(()),
        };
        if opened {
            let ordinal = turn.ordinal;
            tracing::debug!(dag.id = dag_id, "slot {ordinal} of backfill {} of {dag_id} has had its turn", backfill.id);
        }
        Ok(())
    }

    /// What the slot's run would be about; none where the DAG is not partitioned.
    async fn partition_of_slot(&self, turn: &Turn) -> StoreResult<Option<Partition>> {
        let Some(row) = self.store.dag(turn.backfill.tenant, &turn.backfill.dag_id).await? else { return Ok(None) };
        // A document whose schedule cannot be followed is refused when it is sent.
        Ok(partition(&row.dag, turn.run.run_after).ok().flatten())
    }

    /// The run that has the slot's partition, the newest of several, or its logical date.
    async fn run_of_slot(&self, turn: &Turn, partition: Option<&Partition>) -> StoreResult<Option<RunRow>> {
        if let Some(Partition { key, .. }) = partition {
            let filter = RunFilter {
                dag_id: Some(turn.backfill.dag_id.clone()),
                partition_key: Some(key.clone()),
                ..RunFilter::default()
            };
            let newest = Page { limit: 1, offset: 0, order_by: vec![("id".to_owned(), true)] };
            return Ok(self.store.list_runs(turn.backfill.tenant, &filter, &newest).await?.items.pop());
        }
        let Some(date) = turn.run.logical_date else { return Ok(None) };
        let filter = RunFilter {
            dag_id: Some(turn.backfill.dag_id.clone()),
            logical_date: Span { gte: Some(date), lte: Some(date), ..Span::default() },
            ..RunFilter::default()
        };
        Ok(self.store.list_runs(turn.backfill.tenant, &filter, &Page::default()).await?.items.pop())
    }

    /// Clears a run that has ended, and makes it the backfill's.
    async fn reprocess(&self, turn: &Turn, existing: &RunRow, now: DateTime<Utc>) -> StoreResult<bool> {
        let (store, backfill) = (&self.store, &turn.backfill);
        let Some(loaded) = store.load_run(existing.key).await? else { return Ok(false) };
        if !loaded.run.state.is_finished() {
            return store.open_slot(turn, &Opening::Pass(PassedOver::InFlight), now).await;
        }
        let (mut dag, mut to_version) = (loaded.dag, None);
        if backfill.on_latest_version
            && let Some(newest) = store.dag(backfill.tenant, &backfill.dag_id).await?
            && newest.version != loaded.run.dag_version
        {
            (dag, to_version) = (newest.dag, Some(newest.version));
        }
        let instances: Vec<Instance> = loaded.instances.into_iter().map(Instance::from).collect();
        let change = reprocess(&Plan::new(dag), loaded.run.state, &instances, to_version, Uuid::now_v7, now);
        let opening = Opening::Reprocess { run: existing.key, epoch: loaded.run.epoch, change: &change };
        store.open_slot(turn, &opening, now).await
    }
}

fn new_run(turn: &Turn, partition: Option<Partition>, distinct: Option<&str>, now: DateTime<Utc>) -> NewRun {
    let Turn { backfill, run, .. } = turn;
    let run_type = RunType::Backfill;
    NewRun {
        tenant: backfill.tenant,
        dag_id: backfill.dag_id.clone(),
        run_id: match &partition {
            Some(Partition { key, .. }) => partition_run_id(run_type, run.run_after, key, distinct),
            None => run_id(run_type, run.run_after, None),
        },
        run_type,
        logical_date: run.logical_date,
        data_interval: run.data_interval,
        run_after: run.run_after,
        conf: backfill.conf.clone().unwrap_or_default(),
        note: None,
        triggered_by: TriggeredBy::Backfill,
        partition,
        triggering_user: backfill.triggering_user.clone(),
        now,
    }
}
