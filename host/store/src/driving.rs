//! What a scheduler asks: opening runs that are due, holding runs, and applying what the core decides.
//!
//! A run is driven by the one scheduler that holds its lease. Every change to a run goes through [`Driving::commit`], which
//! compares the run's `epoch`: a scheduler that lost its lease, or that somebody's request has overtaken, changes nothing and
//! is told to load the run again.

use std::sync::Arc;

use airlock_core::asset::OutletEvent;
use airlock_core::dag::Dag;
use airlock_core::id::{RunKey, TenantId};
use airlock_core::limits::TenantPolicy;
use airlock_core::outcome::TryResult;
use airlock_core::run::Past;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::StoreResult;
use crate::dags::{DagRow, NextRun};
use crate::instances::InstanceRow;
use crate::queue::NewQueueEntry;
use crate::runs::{NewRun, RunRow};
use crate::settings::PoolRow;

pub use airlock_core::run::{Move, NewInstance, NewTrigger, RunChange, Settles};
pub use airlock_core::why::Holder;

/// A DAG whose next run is due.
#[derive(Clone, Debug)]
pub struct DueDag {
    pub row: DagRow,
    /// Never none.
    pub due: NextRun,
}

/// What there may be for a scheduler to do, as one look finds it. Mostly there is nothing of most of it, and nobody asks further.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// When the next run of any DAG is due that is not paused and not at its limit of unfinished runs, or the earliest rest of a
    /// run ends.
    pub next_due: Option<DateTime<Utc>>,
    /// For [`Driving::due_dags`].
    pub due_dags: bool,
    /// For [`crate::backfills::Backfills::backfill_turns`] and [`crate::backfills::Backfills::complete_backfills`].
    pub backfills: bool,
    /// For [`crate::assets::Assets::asset_turns`].
    pub asset_turns: bool,
    /// For [`Driving::take_runs`].
    pub runs: bool,
    /// For [`crate::triggers::Triggers::ended_triggers`], of whatever run.
    pub ended_triggers: bool,
}

/// A run as its driver takes it on.
#[derive(Clone, Debug)]
pub struct LoadedRun {
    pub run: RunRow,
    pub dag: Arc<Dag>,
    /// Empty for a run that has just been started: the driver makes them by its first commit.
    pub instances: Vec<InstanceRow>,
    pub policy: Arc<TenantPolicy>,
}

/// A try that a worker has finished, on its way to being settled.
#[derive(Clone, Debug, PartialEq)]
pub struct ReportedTry {
    pub run: RunKey,
    pub instance: Uuid,
    pub try_number: u32,
    pub lease_token: Uuid,
    pub hostname: Option<String>,
    pub started_at: DateTime<Utc>,
    pub ended_at: DateTime<Utc>,
    pub result: TryResult,
    pub rendered_fields: Option<Value>,
    pub outlet_events: Vec<OutletEvent>,
}

/// A try whose worker has not been heard of in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpiredTry {
    pub run: RunKey,
    pub instance: Uuid,
    pub try_number: u32,
    pub lease_token: Uuid,
    pub hostname: Option<String>,
    pub started_at: Option<DateTime<Utc>>,
}

/// Queue use, for admission: what is queued or running now, after the batch's settlements.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Usage {
    /// Slots held, by tenant and pool: of what is queued or running, and of what is deferred where the pool counts that. Every
    /// pool of the tenants asked for is here; a pool that does not exist is not.
    pub pools: Vec<(TenantId, PoolRow, u64)>,
    /// Tries queued or running, by tenant.
    pub tenants: Vec<(TenantId, u64)>,
    /// Instances that count as active, by tenant, DAG and task: only of the tasks that were asked for.
    pub tasks: Vec<(TenantId, String, String, u64)>,
}

/// As the core admits by it.
impl From<&Usage> for airlock_core::admit::Usage {
    fn from(usage: &Usage) -> Self {
        let pool = |(tenant, pool, used): &(TenantId, PoolRow, u64)| {
            ((*tenant, pool.name.clone()), airlock_core::admit::PoolUsage { slots: pool.slots, used: *used })
        };
        let task = |(tenant, dag_id, task_id, active): &(TenantId, String, String, u64)| {
            ((*tenant, dag_id.clone(), task_id.clone()), *active)
        };
        Self {
            pools: usage.pools.iter().map(pool).collect(),
            tenants: usage.tenants.iter().copied().collect(),
            tasks: usage.tasks.iter().map(task).collect(),
        }
    }
}

/// What admission needs to know.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UsageQuery {
    pub tenants: Vec<TenantId>,
    /// Tasks with `max_active_tis_per_dag`: tenant, DAG and task id.
    pub tasks: Vec<(TenantId, String, String)>,
}

/// One task instance that leaves `scheduled` for `queued`.
#[derive(Clone, Debug, PartialEq)]
pub struct Admission {
    pub run: RunKey,
    pub epoch: i64,
    pub instance: Uuid,
    pub from_try: u32,
    /// The try that is queued: `from_try + 1`, or `from_try` where a rescheduled or deferred try goes on.
    pub to_try: u32,
    pub entry: NewQueueEntry,
}

/// What a commit came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Committed {
    /// Runs (of changes or of admissions) whose epoch or owner was not the given one: nothing of theirs was applied. Load them
    /// again.
    pub overtaken: Vec<RunKey>,
    /// Moves that found another state, by instance: nothing of that move was applied, the rest was.
    pub refused: Vec<Uuid>,
    /// Admissions that took effect, by instance.
    pub admitted: Vec<Uuid>,
    /// Whether triggers are worth a look now that were not before.
    pub triggers_due: bool,
}

/// A run that is to be held by nobody for a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestingRun {
    pub key: RunKey,
    pub epoch: i64,
    /// None: until something from outside happens to it.
    pub until: Option<DateTime<Utc>>,
}

/// A batch of changes to runs that this scheduler holds.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub owner: Uuid,
    pub now: DateTime<Utc>,
    /// Each with the epoch under which it was decided.
    pub changes: Vec<(RunKey, i64, RunChange)>,
    pub usage: UsageQuery,
}

#[async_trait]
pub trait Driving: Send + Sync {
    /// Looks for everything that is found by asking, at once: an idle pass costs nothing else. What is said to be there may be
    /// gone, or be another scheduler's, when it is asked for; what is not said to be there is not there.
    async fn work(&self, now: DateTime<Utc>) -> StoreResult<Work>;
    /// DAGs that are not paused, whose next run is due, and that have fewer than `max_active_runs` unfinished runs (queued or
    /// running, of any type), by the due time. A DAG at its limit is left out rather than answered and passed over, so that
    /// catching up on years never floods the queue and never stands in the way of other DAGs.
    async fn due_dags(&self, now: DateTime<Utc>, limit: u32) -> StoreResult<Vec<DueDag>>;
    /// Makes a due run and sets the DAG's next one, if the DAG still has `due.due` as its next run, is not paused, and is at the
    /// same version. `run` is none where the due time is skipped. Answers the run; none if nothing was changed, or for a
    /// skipped time. A run that has the run id or the logical date already is no error: it is the answer, and the DAG goes on.
    async fn open_run(&self, due: &DueDag, run: Option<&NewRun>, next: Option<&NextRun>)
    -> StoreResult<Option<RunRow>>;

    /// Takes runs: queued ones whose time has come, whose DAG is not paused and has fewer than `max_active_runs` running
    /// (they become `running`), and running ones whose lease is over or was given up, but for those that rest
    /// ([`Driving::rest_runs`]). At most `limit`, in order of `run_after`;
    /// DAGs that are at their limit do not stand in the way of others. The lease is `owner`'s until `until`. Taking raises the
    /// run's epoch, so that nothing that an earlier owner decided can be applied any more.
    async fn take_runs(
        &self,
        owner: Uuid,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
        limit: u32,
    ) -> StoreResult<Vec<LoadedRun>>;
    /// Extends the leases of all runs of this owner.
    async fn renew_runs(&self, owner: Uuid, until: DateTime<Utc>) -> StoreResult<u64>;
    /// Gives up the leases of runs in which nothing is to happen before a moment, or before something from outside does (none). They rest:
    /// nobody takes them until then, unless the wait of one of their tasks has ended or a request has changed them, also where that
    /// was before this call. A run that this owner does not hold under the epoch that is given is passed over.
    async fn rest_runs(&self, owner: Uuid, runs: &[RestingRun]) -> StoreResult<u64>;
    /// Gives runs back, so that others can take them at once.
    async fn release_runs(&self, owner: Uuid) -> StoreResult<u64>;
    /// A run as it stands, whoever holds it. None if it is gone.
    async fn load_run(&self, key: RunKey) -> StoreResult<Option<LoadedRun>>;
    /// What the run before this one left, for tasks with `depends_on_past`: the run of the same DAG with the greatest logical date
    /// before this run's, whatever its state; with `automated`, only runs that are not manual count. A run without a logical
    /// date has no past. Where the run before has not begun, the tasks of it that are asked for are undecided, and not missing. `tasks` are
    /// the task ids that are asked for.
    async fn past_of(&self, run: RunKey, automated: bool, tasks: &[String]) -> StoreResult<Past>;

    /// Tries that workers have reported, of runs that this owner holds: the oldest of each tenant, oldest first, then the second of
    /// each, and so on. So one tenant's results never wait for all of another's.
    async fn reported_tries(&self, owner: Uuid, limit: u32) -> StoreResult<Vec<ReportedTry>>;
    /// Tries whose lease was over at `now`, of runs that this owner holds. Each is fenced off from its worker in the same moment:
    /// its token is replaced by the one answered here, so that a result that comes late is refused, even before the loss is
    /// settled. A try that is not settled is answered again, with the same token.
    async fn expired_tries(&self, owner: Uuid, now: DateTime<Utc>, limit: u32) -> StoreResult<Vec<ExpiredTry>>;

    /// Applies a batch in one transaction: first all changes, then, with the usage as it is after them, `admit` decides what is
    /// queued. Two commits that ask for the usage of the same tenant never interleave here, so that no pool is ever over its
    /// slots. A run whose state changes has another epoch afterwards. `admit` is called exactly once unless the database fails, and may be slow only at everybody's cost.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` where a new instance's id, or its task and map index, is taken. Any error leaves everything as it was.
    async fn commit(
        &self,
        batch: &Batch,
        admit: &(dyn for<'a> Fn(&'a Usage) -> Vec<Admission> + Send + Sync),
    ) -> StoreResult<Committed>;

    /// What is queued or running now, as [`Driving::commit`] would tell it without changes.
    async fn usage(&self, query: &UsageQuery) -> StoreResult<Usage>;
    /// Tries that hold slots of a pool, the oldest first: what is queued or running, then what is deferred where the pool counts
    /// that.
    async fn pool_holders(&self, tenant: TenantId, pool: &str, limit: u32) -> StoreResult<Vec<Holder>>;

    /// Applies a request from outside (mark, cancel, clear) to a run that anybody may hold, raises its epoch and gives up its lease,
    /// so that a scheduler takes it anew: nobody has to ask whether his runs are still as he knows them. Answers false, and
    /// changes nothing, if the run's epoch is no longer `epoch`, if one of the moves finds another state, or if the run would end
    /// before all of its instances, because the run's scheduler was first: load the run again and decide anew. Queue rows of instances that leave `queued` or `running` go, so
    /// that their workers learn at the next heartbeat that they are to stop.
    ///
    /// # Errors
    ///
    /// `Conflict` if the run's state or version changes without a time.
    async fn intervene(&self, key: RunKey, epoch: i64, change: &RunChange) -> StoreResult<bool>;
}
