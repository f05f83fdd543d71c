//! Every question to the store, asked through the line of a process.

use airlock_core::asset::DagLinks;
use airlock_core::id::{RunKey, TenantId};
use airlock_core::limits::TenantPolicy;
use airlock_core::retention::CleanTable;
use airlock_core::run::Past;
use airlock_core::state::RunState;
use airlock_store::assets::{
    AliasRow, AssetEventFilter, AssetEventRow, AssetFilter, AssetRow, AssetTurn, Assets, QueuedEventFilter,
    QueuedEventRow,
};
use airlock_store::audit::{Audit, AuditEntry, AuditFilter, AuditRow};
use airlock_store::backfills::{BackfillRow, Backfills, NewBackfill, Opening, SlotRow, Turn};
use airlock_store::callbacks::{
    CallbackReport, CallbackRow, Callbacks, ClaimedCallback, ExpiredCallbacks, NewCallback,
};
use airlock_store::dags::{DagFilter, DagRow, DagVersion, Dags, NextRun, PutDag, PutDagResult};
use airlock_store::deadlines::{DeadlineAlertRow, DeadlineFilter, DeadlineRow, Deadlines};
use airlock_store::driving::{
    Admission, Batch, Committed, Driving, DueDag, ExpiredTry, Holder, LoadedRun, ReportedTry, RestingRun, RunChange,
    Usage, UsageQuery, Work,
};
use airlock_store::health::{Connections, Health, Load, ProcessRow};
use airlock_store::instances::{InstanceFilter, InstanceRow, Instances, TryRow};
use airlock_store::operators::{OperatorRow, Operators};
use airlock_store::queue::{ClaimedTry, Queue, QueueDepth, RunningTry, TryOrder, TryReport};
use airlock_store::retention::{ArchivedRow, CleanFilter, CleanStep, Cleaned, Retention};
use airlock_store::runs::{NewRun, RunFilter, RunRow, Runs};
use airlock_store::settings::{ConnectionRow, PoolRow, PoolUse, Reseal, Settings, VariableRow};
use airlock_store::tenants::{Tenant, Tenants, Token, User};
use airlock_store::triggers::{ClaimedTrigger, EndedTrigger, Look, Posted, TriggerRow, Triggers};
use airlock_store::xcoms::{XComFilter, XComOwner, XComPull, XComRow, XComs};
use airlock_store::{Page, Paged, Pattern, StoreResult};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::line::Link;

/// Implements traits by asking the store behind the line.
macro_rules! through_the_line {
    ($($asked:ident { $(async fn $name:ident(&self $(, $argument:ident: $type:ty)*) -> $answer:ty;)* $(=> $($by_hand:item)*)? })*) => {$(
        #[async_trait]
        impl $asked for Link {
            $(async fn $name(&self $(, $argument: $type)*) -> $answer {
                self.ask(stringify!($name), self.store().$name($($argument),*)).await
            })*
            $($($by_hand)*)?
        }
    )*};
}

through_the_line! {
    Tenants {
        async fn create_tenant(&self, name: &str, policy: &TenantPolicy, now: DateTime<Utc>) -> StoreResult<Tenant>;
        async fn tenant(&self, id: TenantId) -> StoreResult<Option<Tenant>>;
        async fn tenant_by_name(&self, name: &str) -> StoreResult<Option<Tenant>>;
        async fn list_tenants(&self) -> StoreResult<Vec<Tenant>>;
        async fn set_tenant_policy(&self, id: TenantId, policy: &TenantPolicy) -> StoreResult<()>;
        async fn create_user(&self, user: &User) -> StoreResult<()>;
        async fn user(&self, tenant: TenantId, username: &str) -> StoreResult<Option<User>>;
        async fn list_users(&self, tenant: TenantId) -> StoreResult<Vec<User>>;
        async fn set_user_password(&self, tenant: TenantId, username: &str, password_hash: &str) -> StoreResult<bool>;
        async fn delete_user(&self, tenant: TenantId, username: &str) -> StoreResult<bool>;
        async fn create_token(&self, token: &Token) -> StoreResult<()>;
        async fn token_by_hash(&self, hash: &[u8; 32], now: DateTime<Utc>) -> StoreResult<Option<Token>>;
        async fn list_tokens(&self, tenant: TenantId) -> StoreResult<Vec<Token>>;
        async fn delete_token(&self, tenant: TenantId, id: Uuid) -> StoreResult<bool>;
        async fn delete_expired_tokens(&self, now: DateTime<Utc>) -> StoreResult<u64>;
    }
    Dags {
        async fn put_dag(&self, put: PutDag<'_>) -> StoreResult<(DagRow, PutDagResult)>;
        async fn dag(&self, tenant: TenantId, dag_id: &str) -> StoreResult<Option<DagRow>>;
        async fn list_dags(&self, tenant: TenantId, filter: &DagFilter, page: &Page) -> StoreResult<Paged<DagRow>>;
        async fn list_dag_tags(&self, tenant: TenantId) -> StoreResult<Vec<String>>;
        async fn set_dag_paused(&self, tenant: TenantId, dag_id: &str, paused: bool) -> StoreResult<bool>;
        async fn set_dag_favorite(&self, tenant: TenantId, dag_id: &str, username: &str, favorite: bool) -> StoreResult<bool>;
        async fn set_next_run(&self, tenant: TenantId, dag_id: &str, version: u32, next: Option<&NextRun>) -> StoreResult<bool>;
        async fn delete_dag(&self, tenant: TenantId, dag_id: &str) -> StoreResult<bool>;
        async fn dag_version(&self, tenant: TenantId, dag_id: &str, version: u32) -> StoreResult<Option<DagVersion>>;
        async fn dag_source(&self, tenant: TenantId, dag_id: &str, version: u32) -> StoreResult<Option<String>>;
        async fn list_dag_versions(&self, tenant: TenantId, dag_id: &str, page: &Page) -> StoreResult<Paged<DagVersion>>;
    }
    Runs {
        async fn create_run(&self, run: &NewRun) -> StoreResult<RunRow>;
        async fn run(&self, tenant: TenantId, dag_id: &str, run_id: &str) -> StoreResult<Option<RunRow>>;
        async fn list_runs(&self, tenant: TenantId, filter: &RunFilter, page: &Page) -> StoreResult<Paged<RunRow>>;
        async fn set_run_note(&self, key: RunKey, note: Option<&str>, user: Option<&str>) -> StoreResult<bool>;
        async fn delete_run(&self, tenant: TenantId, dag_id: &str, run_id: &str) -> StoreResult<bool>;
        async fn last_automated_run(&self, tenant: TenantId, dag_id: &str) -> StoreResult<Option<RunRow>>;
        async fn forget_partitions(&self, tenant: TenantId, runs: &[RunKey]) -> StoreResult<u64>;
        async fn count_runs(&self, tenant: TenantId, dag_id: &str) -> StoreResult<Vec<(RunState, u64)>>;
    }
    Backfills {
        async fn create_backfill(&self, new: &NewBackfill<'_>) -> StoreResult<BackfillRow>;
        async fn backfill(&self, tenant: TenantId, id: i64) -> StoreResult<Option<BackfillRow>>;
        async fn list_backfills(&self, tenant: TenantId, dag_id: &str, page: &Page) -> StoreResult<Paged<BackfillRow>>;
        async fn list_backfill_slots(&self, tenant: TenantId, id: i64, page: &Page) -> StoreResult<Paged<SlotRow>>;
        async fn set_backfill_paused(&self, tenant: TenantId, id: i64, paused: bool, now: DateTime<Utc>) -> StoreResult<bool>;
        async fn cancel_backfill(&self, tenant: TenantId, id: i64, now: DateTime<Utc>) -> StoreResult<bool>;
        async fn backfill_turns(&self, limit: u32) -> StoreResult<Vec<Turn>>;
        async fn open_slot(&self, turn: &Turn, opening: &Opening<'_>, now: DateTime<Utc>) -> StoreResult<bool>;
        async fn complete_backfills(&self, now: DateTime<Utc>) -> StoreResult<u64>;
    }
    Assets {
        async fn asset(&self, tenant: TenantId, id: i64) -> StoreResult<Option<AssetRow>>;
        async fn list_assets(&self, tenant: TenantId, filter: &AssetFilter, page: &Page) -> StoreResult<Paged<AssetRow>>;
        async fn asset_alias(&self, tenant: TenantId, id: i64) -> StoreResult<Option<AliasRow>>;
        async fn list_asset_aliases(&self, tenant: TenantId, name_pattern: &Pattern, page: &Page) -> StoreResult<Paged<AliasRow>>;
        async fn asset_links(&self, tenant: TenantId) -> StoreResult<Vec<DagLinks>>;
        async fn create_asset_event(&self, tenant: TenantId, asset_id: i64, extra: &Map<String, Value>, now: DateTime<Utc>) -> StoreResult<AssetEventRow>;
        async fn list_asset_events(&self, tenant: TenantId, filter: &AssetEventFilter, page: &Page) -> StoreResult<Paged<AssetEventRow>>;
        async fn asset_events_of_run(&self, run: RunKey) -> StoreResult<Vec<AssetEventRow>>;
        async fn queued_events(&self, tenant: TenantId, filter: &QueuedEventFilter) -> StoreResult<Vec<QueuedEventRow>>;
        async fn delete_queued_events(&self, tenant: TenantId, filter: &QueuedEventFilter) -> StoreResult<u64>;
        async fn asset_turns(&self, limit: u32) -> StoreResult<Vec<AssetTurn>>;
        async fn open_asset_run(&self, turn: &AssetTurn, run: Option<&NewRun>) -> StoreResult<Option<RunRow>>;
    }
    Instances {
        async fn instance(&self, tenant: TenantId, dag_id: &str, run_id: &str, task_id: &str, map_index: i32) -> StoreResult<Option<InstanceRow>>;
        async fn list_instances(&self, tenant: TenantId, filter: &InstanceFilter, page: &Page) -> StoreResult<Paged<InstanceRow>>;
        async fn tries(&self, tenant: TenantId, instance: Uuid) -> StoreResult<Vec<TryRow>>;
        async fn set_instance_note(&self, tenant: TenantId, instance: Uuid, note: Option<&str>) -> StoreResult<bool>;
    }
    Triggers {
        async fn claim_triggers(&self, limit: u32, now: DateTime<Utc>, until: DateTime<Utc>) -> StoreResult<Vec<ClaimedTrigger>>;
        async fn conclude_look(&self, look: &Look) -> StoreResult<bool>;
        async fn take_event(&self, claimed: &ClaimedTrigger, name: &str, now: DateTime<Utc>) -> StoreResult<bool>;
        async fn ended_triggers(&self, owner: Uuid, limit: u32) -> StoreResult<Vec<EndedTrigger>>;
        async fn post_event(&self, tenant: TenantId, name: &str, payload: &Value, now: DateTime<Utc>, keep_until: DateTime<Utc>, most_kept: u32) -> StoreResult<Posted>;
        async fn forget_events(&self, now: DateTime<Utc>) -> StoreResult<u64>;
        async fn triggers_of(&self, tenant: TenantId, instances: &[Uuid]) -> StoreResult<Vec<TriggerRow>>;
    }
    XComs {
        async fn push_xcom(&self, owner: &XComOwner, key: &str, value: &Value, now: DateTime<Utc>) -> StoreResult<()>;
        async fn pull_xcoms(&self, pull: &XComPull<'_>) -> StoreResult<Vec<XComRow>>;
        async fn xcom_map_indexes(&self, run: RunKey, task_id: &str, key: &str) -> StoreResult<Vec<i32>>;
        async fn xcom(&self, tenant: TenantId, dag_id: &str, run_id: &str, task_id: &str, map_index: i32, key: &str) -> StoreResult<Option<XComRow>>;
        async fn list_xcoms(&self, tenant: TenantId, filter: &XComFilter, page: &Page) -> StoreResult<Paged<XComRow>>;
        async fn delete_xcom(&self, owner: &XComOwner, key: &str) -> StoreResult<bool>;
    }
    Settings {
        async fn put_variable(&self, tenant: TenantId, variable: &VariableRow) -> StoreResult<()>;
        async fn create_variable(&self, tenant: TenantId, variable: &VariableRow) -> StoreResult<()>;
        async fn variable(&self, tenant: TenantId, key: &str) -> StoreResult<Option<VariableRow>>;
        async fn list_variables(&self, tenant: TenantId, pattern: &Pattern, page: &Page) -> StoreResult<Paged<VariableRow>>;
        async fn delete_variable(&self, tenant: TenantId, key: &str) -> StoreResult<bool>;
        async fn put_connection(&self, tenant: TenantId, connection: &ConnectionRow) -> StoreResult<()>;
        async fn create_connection(&self, tenant: TenantId, connection: &ConnectionRow) -> StoreResult<()>;
        async fn connection(&self, tenant: TenantId, conn_id: &str) -> StoreResult<Option<ConnectionRow>>;
        async fn list_connections(&self, tenant: TenantId, pattern: &Pattern, page: &Page) -> StoreResult<Paged<ConnectionRow>>;
        async fn delete_connection(&self, tenant: TenantId, conn_id: &str) -> StoreResult<bool>;
        async fn put_pool(&self, tenant: TenantId, pool: &PoolRow) -> StoreResult<()>;
        async fn create_pool(&self, tenant: TenantId, pool: &PoolRow) -> StoreResult<()>;
        async fn pool(&self, tenant: TenantId, name: &str) -> StoreResult<Option<(PoolRow, PoolUse)>>;
        async fn list_pools(&self, tenant: TenantId, pattern: &Pattern, page: &Page) -> StoreResult<Paged<(PoolRow, PoolUse)>>;
        async fn delete_pool(&self, tenant: TenantId, name: &str) -> StoreResult<bool>;
        async fn reseal(&self, reseal: &Reseal<'_>) -> StoreResult<u64>;
    }
    Operators {
        async fn create_operator(&self, tenant: TenantId, operator: &OperatorRow) -> StoreResult<bool>;
        async fn operator(&self, tenant: TenantId, name: &str, version: &str) -> StoreResult<Option<OperatorRow>>;
        async fn list_operators(&self, tenant: TenantId) -> StoreResult<Vec<OperatorRow>>;
        async fn set_operator_yanked(&self, tenant: TenantId, name: &str, version: &str, yanked: bool) -> StoreResult<bool>;
        async fn digest_in_use(&self, digest: &str) -> StoreResult<bool>;
        async fn tenant_has_digest(&self, tenant: TenantId, digest: &str) -> StoreResult<bool>;
    }
    Health {
        async fn process_heartbeat(&self, process: &ProcessRow) -> StoreResult<()>;
        async fn latest_heartbeat(&self, role: &str) -> StoreResult<Option<DateTime<Utc>>>;
        async fn list_processes(&self) -> StoreResult<Vec<ProcessRow>>;
        async fn forget_processes(&self, before: DateTime<Utc>) -> StoreResult<u64>;
        async fn ping(&self) -> StoreResult<()>;
        async fn check_migrations(&self) -> StoreResult<()>;
        async fn load(&self) -> StoreResult<Load>;
        =>
        fn connections(&self) -> Option<Connections> {
            self.store().connections()
        }
    }
    Audit {
        async fn add_audit(&self, tenant: TenantId, entry: &AuditEntry) -> StoreResult<()>;
        async fn audit(&self, tenant: TenantId, id: i64) -> StoreResult<Option<AuditRow>>;
        async fn list_audit(&self, tenant: TenantId, filter: &AuditFilter, page: &Page) -> StoreResult<Paged<AuditRow>>;
    }
    Callbacks {
        async fn claim_callbacks(&self, worker: Uuid, hostname: &str, queues: &[String], limit: u32, now: DateTime<Utc>, until: DateTime<Utc>) -> StoreResult<Vec<ClaimedCallback>>;
        async fn heartbeat_callbacks(&self, worker: Uuid, tokens: &[Uuid], until: DateTime<Utc>) -> StoreResult<Vec<Uuid>>;
        async fn report_callback(&self, report: &CallbackReport) -> StoreResult<bool>;
        async fn expire_callbacks(&self, now: DateTime<Utc>, queued_before: DateTime<Utc>) -> StoreResult<ExpiredCallbacks>;
        async fn list_callbacks(&self, run: RunKey, page: &Page) -> StoreResult<Paged<CallbackRow>>;
        async fn callback(&self, run: RunKey, id: Uuid) -> StoreResult<Option<CallbackRow>>;
    }
    Deadlines {
        async fn overdue_deadlines(&self, now: DateTime<Utc>, limit: u32) -> StoreResult<Vec<DeadlineRow>>;
        async fn miss_deadline(&self, deadline: &DeadlineRow, callback: &NewCallback, now: DateTime<Utc>) -> StoreResult<bool>;
        async fn list_deadlines(&self, tenant: TenantId, filter: &DeadlineFilter, page: &Page) -> StoreResult<Paged<DeadlineRow>>;
        async fn list_deadline_alerts(&self, tenant: TenantId, dag_id: &str, version: u32, page: &Page) -> StoreResult<Paged<DeadlineAlertRow>>;
    }
    Retention {
        async fn count_removable(&self, tenant: TenantId, table: CleanTable, filter: &CleanFilter) -> StoreResult<u64>;
        async fn clean_step(&self, tenant: TenantId, table: CleanTable, filter: &CleanFilter, step: &CleanStep) -> StoreResult<Cleaned>;
        async fn count_archived(&self, tenant: TenantId) -> StoreResult<Vec<(CleanTable, u64)>>;
        async fn list_archived(&self, tenant: TenantId, tables: &[CleanTable], after: i64, limit: u32) -> StoreResult<Vec<ArchivedRow>>;
        async fn drop_archived(&self, tenant: TenantId, tables: &[CleanTable], up_to: i64, limit: u32) -> StoreResult<u64>;
    }
    Driving {
        async fn due_dags(&self, now: DateTime<Utc>, limit: u32) -> StoreResult<Vec<DueDag>>;
        async fn open_run(&self, due: &DueDag, run: Option<&NewRun>, next: Option<&NextRun>) -> StoreResult<Option<RunRow>>;
        async fn work(&self, now: DateTime<Utc>) -> StoreResult<Work>;
        async fn take_runs(&self, owner: Uuid, now: DateTime<Utc>, until: DateTime<Utc>, limit: u32) -> StoreResult<Vec<LoadedRun>>;
        async fn renew_runs(&self, owner: Uuid, until: DateTime<Utc>) -> StoreResult<u64>;
        async fn rest_runs(&self, owner: Uuid, runs: &[RestingRun]) -> StoreResult<u64>;
        async fn release_runs(&self, owner: Uuid) -> StoreResult<u64>;
        async fn load_run(&self, key: RunKey) -> StoreResult<Option<LoadedRun>>;
        async fn past_of(&self, run: RunKey, automated: bool, tasks: &[String]) -> StoreResult<Past>;
        async fn reported_tries(&self, owner: Uuid, limit: u32) -> StoreResult<Vec<ReportedTry>>;
        async fn usage(&self, query: &UsageQuery) -> StoreResult<Usage>;
        async fn pool_holders(&self, tenant: TenantId, pool: &str, limit: u32) -> StoreResult<Vec<Holder>>;
        async fn intervene(&self, key: RunKey, epoch: i64, change: &RunChange) -> StoreResult<bool>;
        =>
        async fn expired_tries(&self, owner: Uuid, now: DateTime<Utc>, limit: u32) -> StoreResult<Vec<ExpiredTry>> {
            if self.never_loses() {
                return Ok(Vec::new());
            }
            self.ask("expired_tries", self.store().expired_tries(owner, now, limit)).await
        }
        async fn commit(
            &self,
            batch: &Batch,
            admit: &(dyn for<'a> Fn(&'a Usage) -> Vec<Admission> + Send + Sync),
        ) -> StoreResult<Committed> {
            self.commit_and_watch(batch, admit).await
        }
    }
    Queue {
        async fn heartbeat_tries(&self, worker: Uuid, tokens: &[Uuid], until: DateTime<Utc>) -> StoreResult<Vec<(Uuid, TryOrder)>>;
        async fn name_instance(&self, run: RunKey, instance: Uuid, lease_token: Uuid, name: &str) -> StoreResult<bool>;
        async fn running_tries(&self) -> StoreResult<Vec<RunningTry>>;
        async fn queue_depths(&self) -> StoreResult<Vec<QueueDepth>>;
        =>
        async fn claim_tries(
            &self,
            worker: Uuid,
            hostname: &str,
            queues: &[String],
            limit: u32,
            now: DateTime<Utc>,
            until: DateTime<Utc>,
        ) -> StoreResult<Vec<ClaimedTry>> {
            let claim = self.store().claim_tries(worker, hostname, queues, limit, now, until);
            self.claim_and_watch(claim, until).await
        }
        async fn hand_back_tries(&self, worker: Uuid, known: &[Uuid]) -> StoreResult<u64> {
            self.hand_back_and_watch(worker, known).await
        }
        async fn report_tries(&self, reports: &[TryReport]) -> StoreResult<Vec<Uuid>> {
            self.report_and_watch(reports).await
        }
    }
}
