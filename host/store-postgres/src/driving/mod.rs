//! What a scheduler asks.

mod admission;
mod changes;
mod commit;
mod due;
mod intervene;
mod leases;
mod load;
mod past;
mod run_states;
mod take;
mod tries;
mod usage;
mod work;

pub use leases::run_key;

pub(crate) use intervene::change as change_from_outside;

use airlock_core::id::{RunKey, TenantId};
use airlock_core::run::Past;
use airlock_store::StoreResult;
use airlock_store::dags::NextRun;
use airlock_store::driving::{
    Admission, Batch, Committed, Driving, DueDag, ExpiredTry, Holder, LoadedRun, ReportedTry, RestingRun, RunChange,
    Usage, UsageQuery, Work,
};
use airlock_store::runs::{NewRun, RunRow};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::PostgresStore;

#[async_trait]
impl Driving for PostgresStore {
    async fn work(&self, now: DateTime<Utc>) -> StoreResult<Work> {
        Ok(work::work(self, now).await?)
    }
    async fn due_dags(&self, now: DateTime<Utc>, limit: u32) -> StoreResult<Vec<DueDag>> {
        Ok(due::due_dags(self, now, limit).await?)
    }
    async fn open_run(
        &self,
        due: &DueDag,
        run: Option<&NewRun>,
        next: Option<&NextRun>,
    ) -> StoreResult<Option<RunRow>> {
        Ok(due::open_run(self, due, run, next).await?)
    }

    async fn take_runs(
        &self,
        owner: Uuid,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
        limit: u32,
    ) -> StoreResult<Vec<LoadedRun>> {
        Ok(take::take_runs(self, owner, now, until, limit).await?)
    }
    async fn renew_runs(&self, owner: Uuid, until: DateTime<Utc>) -> StoreResult<u64> {
        Ok(leases::renew(self, owner, until).await?)
    }
    async fn rest_runs(&self, owner: Uuid, runs: &[RestingRun]) -> StoreResult<u64> {
        Ok(leases::rest(self, owner, runs).await?)
    }
    async fn release_runs(&self, owner: Uuid) -> StoreResult<u64> {
        Ok(leases::release(self, owner).await?)
    }
    async fn load_run(&self, key: RunKey) -> StoreResult<Option<LoadedRun>> {
        let mut snapshot = self.snapshot().await?;
        Ok(load::load_runs(self, &mut snapshot, &[key]).await?.pop())
    }
    async fn past_of(&self, run: RunKey, automated: bool, tasks: &[String]) -> StoreResult<Past> {
        Ok(past::past_of(self, run, automated, tasks).await?)
    }

    async fn reported_tries(&self, owner: Uuid, limit: u32) -> StoreResult<Vec<ReportedTry>> {
        Ok(tries::reported(self, owner, limit).await?)
    }
    async fn expired_tries(&self, owner: Uuid, now: DateTime<Utc>, limit: u32) -> StoreResult<Vec<ExpiredTry>> {
        Ok(tries::expired(self, owner, now, limit).await?)
    }

    async fn commit(
        &self,
        batch: &Batch,
        admit: &(dyn for<'a> Fn(&'a Usage) -> Vec<Admission> + Send + Sync),
    ) -> StoreResult<Committed> {
        Ok(commit::commit(self, batch, admit).await?)
    }
    async fn usage(&self, query: &UsageQuery) -> StoreResult<Usage> {
        let mut snapshot = self.snapshot().await?;
        Ok(usage::look(&mut snapshot, query).await?)
    }
    async fn pool_holders(&self, tenant: TenantId, pool: &str, limit: u32) -> StoreResult<Vec<Holder>> {
        Ok(usage::holders(self, tenant, pool, limit).await?)
    }
    async fn intervene(&self, key: RunKey, epoch: i64, change: &RunChange) -> StoreResult<bool> {
        Ok(intervene::intervene(self, key, epoch, change).await?)
    }
}
