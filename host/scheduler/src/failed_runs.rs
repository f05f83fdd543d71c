//! What follows from the end of a run.

use airlock_core::id::RunKey;
use airlock_core::run::FinishReason;
use airlock_core::state::RunState;
use airlock_store::runs::RunFilter;
use airlock_store::{Page, StoreResult};

use crate::held::HeldRun;
use crate::scheduler::Scheduler;

impl Scheduler {
    pub(crate) async fn finished(&mut self, key: RunKey, outcome: (RunState, FinishReason)) -> StoreResult<()> {
        let Some(held) = self.held.forget(key) else { return Ok(()) };
        let (dag_id, run_id) = (&held.dag_id, &held.run_id);
        let (state, reason) = outcome;
        self.metrics.finished(key, &held, state, self.now());
        let why = match reason {
            FinishReason::Done => "",
            FinishReason::TimedOut => ": its dagrun_timeout is over",
            FinishReason::Deadlock => ": the tasks that are left can never run",
        };
        tracing::info!(dag.id = dag_id, run.id = run_id, "{dag_id}/{run_id} has ended in {state}{why}");
        if state == RunState::Failed {
            self.pause_if_failing(key, &held).await?;
        }
        Ok(())
    }

    /// `max_consecutive_failed_dag_runs`: a DAG whose newest runs have all failed is paused.
    async fn pause_if_failing(&self, key: RunKey, held: &HeldRun) -> StoreResult<()> {
        let limit = held.machine.plan().dag().max_consecutive_failed_dag_runs;
        if limit == 0 {
            return Ok(());
        }
        let filter = RunFilter { dag_id: Some(held.dag_id.clone()), ..RunFilter::default() };
        let order_by = vec![("logical_date".to_owned(), true), ("id".to_owned(), true)];
        let newest = self.store.list_runs(key.tenant, &filter, &Page { limit, offset: 0, order_by }).await?.items;
        let all_failed = newest.len() >= limit as usize && newest.iter().all(|run| run.state == RunState::Failed);
        if all_failed && self.store.set_dag_paused(key.tenant, &held.dag_id, true).await? {
            tracing::warn!(dag.id = held.dag_id, "{} is paused: its last {limit} runs have failed", held.dag_id);
        }
        Ok(())
    }
}
