//! Names of things. What belongs to a tenant carries the tenant first.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A tenant, by its internal identity. People see its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TenantId(pub i64);

impl fmt::Display for TenantId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// A DAG run, by its internal identity. `(dag_id, run_id)` is what people see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RunKey {
    pub tenant: TenantId,
    pub id: i64,
}

/// The map index of a task that is not mapped.
pub const UNMAPPED: i32 = -1;

/// Ids of DAGs, tasks, runs, pools and connections are at most this many characters long, as in Airflow.
pub const MAXIMUM_ID_LENGTH: usize = 250;
