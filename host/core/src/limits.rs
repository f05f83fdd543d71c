//! The limits of the sandbox and what a task is granted. A tenant's policy sets both; a task's document can only narrow them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::retention::Retention;

/// What one try may use. Every limit is on by default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Bytes of all linear memories together.
    pub memory_bytes: u64,
    /// Elements of all tables together.
    pub table_elements: u64,
    /// Core instances, memories and tables, each.
    pub instances: u32,
    /// CPU time of the guest, in milliseconds.
    pub cpu_ms: u64,
    /// Time from start to end of one call, in milliseconds, host calls included. `execution_timeout` may be shorter.
    pub wall_ms: u64,
    /// Bytes that one host call may hand over or receive.
    pub host_call_bytes: u64,
    /// Resources (rows, readers, streams ...) that may be open at once.
    pub handles: u32,
    /// Bytes of log records, and of standard output and standard error, together.
    pub log_bytes: u64,
    /// Bytes of one XCom value.
    pub xcom_bytes: u64,
    /// XCom values of one try.
    pub xcom_count: u32,
    /// Bytes of what one call says of events of assets, together.
    pub asset_event_bytes: u64,
    /// Events of assets of which one call says something.
    pub asset_event_count: u32,
    /// Elements of a value that other tasks are mapped over: Airflow's `max_map_length`.
    pub map_length: u32,
    /// Bytes in the scratch folder.
    pub scratch_bytes: u64,
    /// Bytes of the guest's stack.
    pub stack_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 256 << 20,
            table_elements: 100_000,
            instances: 64,
            cpu_ms: 60_000,
            wall_ms: 3_600_000,
            host_call_bytes: 4 << 20,
            handles: 256,
            log_bytes: 4 << 20,
            xcom_bytes: 1 << 20,
            xcom_count: 256,
            asset_event_bytes: 256 << 10,
            asset_event_count: 256,
            map_length: 1024,
            scratch_bytes: 256 << 20,
            stack_bytes: 512 << 10,
        }
    }
}

/// A task's own limits: each is applied only where it is lower than its tenant's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitOverrides {
    pub memory_bytes: Option<u64>,
    pub table_elements: Option<u64>,
    pub instances: Option<u32>,
    pub cpu_ms: Option<u64>,
    pub wall_ms: Option<u64>,
    pub host_call_bytes: Option<u64>,
    pub handles: Option<u32>,
    pub log_bytes: Option<u64>,
    pub xcom_bytes: Option<u64>,
    pub xcom_count: Option<u32>,
    pub asset_event_bytes: Option<u64>,
    pub asset_event_count: Option<u32>,
    pub map_length: Option<u32>,
    pub scratch_bytes: Option<u64>,
    pub stack_bytes: Option<u64>,
}

impl Limits {
    /// These limits, narrowed by a task's own. A task cannot widen what its tenant has.
    #[must_use]
    pub fn narrowed(&self, task: &LimitOverrides) -> Self {
        fn least<T: Ord + Copy>(tenant: T, task: Option<T>) -> T {
            task.map_or(tenant, |task| task.min(tenant))
        }
        Self {
            memory_bytes: least(self.memory_bytes, task.memory_bytes),
            table_elements: least(self.table_elements, task.table_elements),
            instances: least(self.instances, task.instances),
            cpu_ms: least(self.cpu_ms, task.cpu_ms),
            wall_ms: least(self.wall_ms, task.wall_ms),
            host_call_bytes: least(self.host_call_bytes, task.host_call_bytes),
            handles: least(self.handles, task.handles),
            log_bytes: least(self.log_bytes, task.log_bytes),
            xcom_bytes: least(self.xcom_bytes, task.xcom_bytes),
            xcom_count: least(self.xcom_count, task.xcom_count),
            asset_event_bytes: least(self.asset_event_bytes, task.asset_event_bytes),
            asset_event_count: least(self.asset_event_count, task.asset_event_count),
            map_length: least(self.map_length, task.map_length),
            scratch_bytes: least(self.scratch_bytes, task.scratch_bytes),
            stack_bytes: least(self.stack_bytes, task.stack_bytes),
        }
    }
}

/// Where a tenant's tasks may connect to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Egress {
    /// Host names (`api.example.com`, `*.example.com`) or `*` that guests may reach by `http` and `wasi:http`.
    pub allow_hosts: Vec<String>,
    /// Networks (`10.1.0.0/16`, `127.0.0.1/32`) that may be reached although they are loopback, link-local, private or
    /// otherwise special; everything special is blocked by default. Host-side connections obey this too.
    pub allow_networks: Vec<String>,
}

/// What a tenant's policy allows its tasks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TenantPolicy {
    pub limits: Limits,
    pub egress: Egress,
    /// Folders of the host that connections of type `fs` and `sqlite` may lie under. Empty: none.
    pub host_folders: Vec<String>,
    /// Tries of this tenant that may be queued or running at once; none is without bound.
    pub max_active_tasks: Option<u32>,
    /// The most that any task of this tenant may be granted; see [`Grants`].
    pub grants: TenantGrants,
    /// How long records are kept; for good, unless it says so.
    pub retention: Retention,
}

/// A tenant's ceiling of grants: everything of its own, unless its policy says less.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TenantGrants(pub Grants);

impl Default for TenantGrants {
    fn default() -> Self {
        Self(Grants(BTreeSet::from(["*".to_owned()])))
    }
}

/// The kinds of grants: what stands before the last colon.
pub const GRANT_KINDS: &[&str] = &[
    "connections:use",
    "connections:secret",
    "variables:read",
    "variables:write",
    "http",
    "dag-runs:read",
    "dag-runs:trigger",
];

/// What a task may reach, by names such as `connections:use:warehouse`, `connections:secret:warehouse`, `variables:read:*`,
/// `variables:write:region`, `http:api.example.com`, `dag-runs:trigger:reports`. A `*` at the end matches any rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Grants(pub BTreeSet<String>);

impl Default for Grants {
    /// What a task has that names no grants: it may use connections, read variables, send requests within the egress policy,
    /// and look at and trigger the tenant's DAGs; reading secrets and writing variables need a word.
    fn default() -> Self {
        let grants = ["connections:use:*", "variables:read:*", "http:*", "dag-runs:read:*", "dag-runs:trigger:*"];
        Self(grants.into_iter().map(str::to_owned).collect())
    }
}

impl Grants {
    /// Whether a capability is among these grants.
    pub fn allows(&self, capability: &str) -> bool {
        self.0.iter().any(|grant| match grant.strip_suffix('*') {
            Some(prefix) => capability.starts_with(prefix),
            None => grant == capability,
        })
    }
}
