//! A scheduler and a worker for the cases.

use airlock_core::id::RunKey;
use airlock_core::outcome::TryResult;
use airlock_core::state::{RunState, TaskState};
use uuid::Uuid;

use super::fixture::{admission, at, move_to, new_instance, report, settle, success};
use crate::Store;
use crate::driving::{
    Admission, Batch, Committed, ExpiredTry, LoadedRun, NewInstance, ReportedTry, RunChange, Usage, UsageQuery,
};
use crate::instances::InstanceRow;
use crate::queue::ClaimedTry;
use crate::runs::RunRow;

/// A scheduler, as small as it can be.
pub struct Driver<'a> {
    pub store: &'a dyn Store,
    pub owner: Uuid,
}

impl<'a> Driver<'a> {
    pub fn new(store: &'a dyn Store) -> Self {
        Self { store, owner: Uuid::new_v4() }
    }

    /// Takes all that can be taken, with leases of a minute.
    pub async fn take(&self, seconds: i64) -> Vec<LoadedRun> {
        let work = self.store.work(at(seconds)).await.unwrap();
        let taken = self.store.take_runs(self.owner, at(seconds), at(seconds + 60), 100).await.unwrap();
        assert!(work.runs || taken.is_empty(), "what nobody is told of is not there");
        taken
    }

    pub async fn commit(&self, changes: Vec<(RunKey, i64, RunChange)>, seconds: i64) -> Committed {
        self.commit_and_admit(changes, UsageQuery::default(), seconds, &|_| Vec::new()).await
    }

    pub async fn commit_and_admit(
        &self,
        changes: Vec<(RunKey, i64, RunChange)>,
        usage: UsageQuery,
        seconds: i64,
        admit: &(dyn for<'u> Fn(&'u Usage) -> Vec<Admission> + Send + Sync),
    ) -> Committed {
        let batch = Batch { owner: self.owner, now: at(seconds), changes, usage };
        self.store.commit(&batch, admit).await.unwrap()
    }

    /// Applies one change of one run, which nothing must stand in the way of.
    pub async fn change(&self, run: &RunRow, change: RunChange, seconds: i64) {
        let committed = self.commit(vec![(run.key, run.epoch, change)], seconds).await;
        assert_eq!(committed, Committed::default());
    }

    /// Takes the only run there is, and makes a scheduled instance of each of its tasks.
    pub async fn start(&self, seconds: i64) -> (RunRow, Vec<InstanceRow>) {
        let loaded = self.take(seconds).await.pop().expect("a run to take");
        self.schedule(&loaded, seconds).await
    }

    /// Makes a scheduled instance of each task of a run.
    pub async fn schedule(&self, loaded: &LoadedRun, seconds: i64) -> (RunRow, Vec<InstanceRow>) {
        let create = loaded
            .dag
            .tasks
            .iter()
            .map(|task| NewInstance {
                pool: task.pool.clone(),
                pool_slots: task.pool_slots,
                queue: task.queue.clone(),
                priority_weight: task.priority_weight.into(),
                scheduled_at: Some(at(seconds)),
                ..new_instance(&task.task_id)
            })
            .collect();
        self.change(&loaded.run, RunChange { create, ..RunChange::default() }, seconds).await;
        let loaded = self.store.load_run(loaded.run.key).await.unwrap().expect("the run");
        (loaded.run, loaded.instances)
    }

    /// Queues these instances, whatever the pools say.
    pub async fn admit(&self, run: &RunRow, instances: &[&InstanceRow], seconds: i64) {
        let admissions: Vec<Admission> = instances.iter().map(|instance| admission(run, instance)).collect();
        let committed =
            self.commit_and_admit(Vec::new(), UsageQuery::default(), seconds, &|_| admissions.clone()).await;
        assert_eq!(committed.admitted.len(), instances.len(), "{committed:?}");
    }

    /// Settles everything that workers have reported as this.
    pub async fn settle(&self, run: &RunRow, to: TaskState, seconds: i64) {
        let reported = self.store.reported_tries(self.owner, 100).await.unwrap();
        let moves = reported.iter().map(|reported| settle(reported, to, seconds)).collect();
        self.change(run, RunChange { moves, ..RunChange::default() }, seconds).await;
    }

    /// Settles everything that workers have reported as failed, to be tried again.
    pub async fn fail_for_retry(&self, run: &RunRow, seconds: i64) {
        let reported = self.store.reported_tries(self.owner, 100).await.unwrap();
        let moves = reported.iter().map(|reported| {
            let mut retry = settle(reported, TaskState::UpForRetry, seconds);
            retry.wake_at = Some(at(seconds));
            if let Some(settles) = &mut retry.settles {
                settles.final_state = Some(TaskState::Failed);
                settles.cause = Some("operator".to_owned());
                // What guests say goes through unchanged, but for the one character that PostgreSQL cannot hold.
                settles.message = Some("no\0".to_owned());
            }
            retry
        });
        self.change(run, RunChange { moves: moves.collect(), ..RunChange::default() }, seconds).await;
    }

    /// Settles a try whose worker was not heard of.
    pub async fn lose(&self, run: &RunRow, expired: &ExpiredTry, seconds: i64) {
        let reported = ReportedTry {
            run: expired.run,
            instance: expired.instance,
            try_number: expired.try_number,
            lease_token: expired.lease_token,
            hostname: expired.hostname.clone(),
            started_at: expired.started_at.expect("it was claimed"),
            ended_at: at(seconds),
            result: success(),
            rendered_fields: None,
            outlet_events: Vec::new(),
        };
        let mut lost = settle(&reported, TaskState::Failed, seconds);
        if let Some(settles) = &mut lost.settles {
            settles.cause = Some("lost".to_owned());
        }
        self.change(run, RunChange { moves: vec![lost], ..RunChange::default() }, seconds).await;
    }

    /// Makes an instance `scheduled` again, from whatever it is.
    pub async fn reschedule(&self, run: &RunRow, instance: Uuid, seconds: i64) -> InstanceRow {
        let loaded = self.store.load_run(run.key).await.unwrap().expect("the run");
        let found = loaded.instances.iter().find(|one| one.id == instance).expect("the instance");
        let moves = vec![move_to(found, Some(TaskState::Scheduled), seconds)];
        self.change(run, RunChange { moves, ..RunChange::default() }, seconds).await;
        let loaded = self.store.load_run(run.key).await.unwrap().expect("the run");
        loaded.instances.into_iter().find(|one| one.id == instance).expect("the instance")
    }

    /// Lets an instance wait as deferred, whatever it was before.
    pub async fn defer(&self, run: &RunRow, instance: &InstanceRow, seconds: i64) {
        let moves = vec![move_to(instance, Some(TaskState::Deferred), seconds)];
        self.change(run, RunChange { moves, ..RunChange::default() }, seconds).await;
    }

    pub async fn finish(&self, run: &RunRow, state: RunState, seconds: i64) {
        let change = RunChange { run_state: Some(state), at: Some(at(seconds)), ..RunChange::default() };
        self.change(run, change, seconds).await;
    }
}

/// A worker, as small as it can be.
pub struct Worker<'a> {
    pub store: &'a dyn Store,
    pub id: Uuid,
}

impl<'a> Worker<'a> {
    pub fn new(store: &'a dyn Store) -> Self {
        Self { store, id: Uuid::new_v4() }
    }

    /// Claims from the queue `default`, with leases of ten seconds.
    pub async fn claim(&self, limit: u32, seconds: i64) -> Vec<ClaimedTry> {
        let queues = ["default".to_owned()];
        self.store.claim_tries(self.id, "worker-1", &queues, limit, at(seconds), at(seconds + 10)).await.unwrap()
    }

    /// Reports, and expects that it is not refused.
    pub async fn report(&self, claimed: &ClaimedTry, result: TryResult, seconds: i64) {
        let stale = self.store.report_tries(&[report(claimed, result, seconds)]).await.unwrap();
        assert!(stale.is_empty(), "a report was refused");
    }
}
