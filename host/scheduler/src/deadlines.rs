//! Runs that are not finished in time.

use airlock_core::callback::{MissedDeadline, missed};
use airlock_store::StoreResult;
use airlock_store::deadlines::DeadlineRow;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::round::Round;
use crate::scheduler::Scheduler;

impl Scheduler {
    /// Any scheduler notes any run's deadlines: a run that nobody drives yet can miss one. Who is first makes the callback due.
    pub(crate) async fn miss_deadlines(&self, now: DateTime<Utc>, round: &mut Round) -> StoreResult<()> {
        let overdue = self.store.overdue_deadlines(now, self.options.batch).await?;
        round.more |= overdue.len() >= self.options.batch as usize;
        let mut any = false;
        for deadline in &overdue {
            any |= self.miss(deadline, now).await?;
        }
        if any {
            self.wake.callbacks().raise();
        }
        Ok(())
    }

    async fn miss(&self, deadline: &DeadlineRow, now: DateTime<Utc>) -> StoreResult<bool> {
        let DeadlineRow { run, dag_id, run_id, .. } = deadline;
        let version = self.store.dag_version(run.tenant, dag_id, deadline.dag_version).await?;
        let place = usize::try_from(deadline.place).unwrap_or(usize::MAX);
        // Neither goes before its run, and with the run its deadlines go.
        let Some(version) = version else { return Ok(false) };
        let Some(alert) = version.dag.deadlines.get(place) else { return Ok(false) };
        let told = MissedDeadline {
            id: deadline.id,
            name: deadline.alert_name.clone(),
            deadline_time: deadline.deadline_time,
        };
        let callback = missed(&alert.callback, deadline.place, told, Uuid::now_v7(), now);
        let is_first = self.store.miss_deadline(deadline, &callback, now).await?;
        if is_first {
            tracing::warn!(
                dag.id = dag_id,
                run.id = run_id,
                "{dag_id}/{run_id} has missed its deadline of {}",
                deadline.deadline_time
            );
        }
        Ok(is_first)
    }
}
