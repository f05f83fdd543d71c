//! Taking runs on.

use airlock_store::StoreResult;
use chrono::{DateTime, Utc};

use crate::round::Round;
use crate::scheduler::Scheduler;

impl Scheduler {
    /// Queued runs whose time has come, and running ones that nobody holds: those of schedulers that died, and those that a
    /// request from outside has changed.
    pub(crate) async fn take_runs(&mut self, now: DateTime<Utc>, round: &mut Round) -> StoreResult<()> {
        let until = self.lease_end(now);
        let taken = self.metrics.take_runs.timed(self.store.take_runs(self.id, now, until, self.options.batch)).await?;
        round.more |= taken.len() >= self.options.batch as usize;
        for loaded in taken {
            let (dag_id, run_id) = (&loaded.run.dag_id, &loaded.run.run_id);
            tracing::debug!(dag.id = dag_id, run.id = run_id, "taking {dag_id}/{run_id}");
            self.metrics.taken(&loaded);
            self.held.arrive(loaded, round);
        }
        Ok(())
    }

    /// Begins to drive runs that were taken.
    pub(crate) fn adopt_runs(&mut self, now: DateTime<Utc>, round: &mut Round) {
        while !self.held.arrivals.is_empty() && !round.is_full(self.options.changes) {
            if let Some(loaded) = self.held.arrivals.next() {
                self.held.adopt(loaded, now, round);
            }
        }
    }

    /// Runs whose machines are known to be behind the database.
    pub(crate) async fn load_again(&mut self, now: DateTime<Utc>, round: &mut Round) -> StoreResult<()> {
        for key in std::mem::take(&mut self.reload) {
            let epoch = self.held.forget(key).map(|held| held.epoch);
            match self.store.load_run(key).await? {
                // Another epoch is somebody else's, or is given out when the run is taken.
                Some(loaded)
                    if !loaded.run.state.is_finished() && epoch.is_none_or(|epoch| epoch == loaded.run.epoch) =>
                {
                    self.held.adopt(loaded, now, round);
                }
                _ => {}
            }
        }
        Ok(())
    }
}
