//! Opening runs that are due.

use airlock_core::state::{RunType, TriggeredBy};
use airlock_core::timetable::{NextRun, Partition, TimetableError, next_run, partition, partition_run_id, run_id};
use airlock_store::StoreResult;
use airlock_store::driving::DueDag;
use airlock_store::runs::NewRun;
use chrono::{DateTime, Utc};

use crate::round::Round;
use crate::scheduler::Scheduler;

impl Scheduler {
    /// Opens at most one run of each DAG that is due: one that catches up does not keep others waiting.
    pub(crate) async fn open_runs(&mut self, now: DateTime<Utc>, round: &mut Round) -> StoreResult<()> {
        let due_dags = self.metrics.due_dags.timed(self.store.due_dags(now, self.options.batch)).await?;
        for due in &due_dags {
            self.open_run(due, now).await?;
        }
        // A DAG that catches up is due again at once, until it is at its limit of runs.
        round.more |= !due_dags.is_empty();
        Ok(())
    }

    /// What is due is worked out anew: what the database says of it may be of the time before a pause, or before a change of the
    /// schedule.
    async fn open_run(&self, due: &DueDag, now: DateTime<Utc>) -> StoreResult<()> {
        let (tenant, dag_id) = (due.row.tenant, &due.row.dag_id);
        let last = self.store.last_automated_run(tenant, dag_id).await?;
        let last = last.map(|run| run.span());
        let plan = next_run(&due.row.dag, last, now).and_then(|run| match run {
            Some(run) if run.run_after <= now => {
                let next = next_run(&due.row.dag, Some(run.span()), now)?;
                let partition = partition(&due.row.dag, run.run_after)?;
                Ok((Some(scheduled(due, run, partition, now)), next))
            }
            not_yet => Ok((None, not_yet)),
        });
        let (run, next) = match plan {
            Ok(plan) => plan,
            Err(TimetableError(error)) => {
                tracing::error!(dag.id = dag_id, "{dag_id} is not scheduled any more: {error}");
                (None, None)
            }
        };
        let opened = self.store.open_run(due, run.as_ref(), next.as_ref()).await?;
        if let Some(opened) = opened {
            tracing::info!(dag.id = dag_id, run.id = opened.run_id, "{dag_id}/{} is due", opened.run_id);
        }
        Ok(())
    }
}

fn scheduled(due: &DueDag, run: NextRun, partition: Option<Partition>, now: DateTime<Utc>) -> NewRun {
    let run_id = match &partition {
        Some(Partition { key, .. }) => partition_run_id(RunType::Scheduled, run.run_after, key, None),
        None => run_id(RunType::Scheduled, run.run_after, None),
    };
    NewRun {
        tenant: due.row.tenant,
        dag_id: due.row.dag_id.clone(),
        run_id,
        run_type: RunType::Scheduled,
        logical_date: run.logical_date,
        data_interval: run.data_interval,
        run_after: run.run_after,
        conf: serde_json::Map::new(),
        note: None,
        triggered_by: TriggeredBy::Timetable,
        partition,
        triggering_user: None,
        now,
    }
}
