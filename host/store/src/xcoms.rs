//! XComs.

use airlock_core::id::{RunKey, TenantId};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::runs::Span;
use crate::{Page, Paged, Pattern, StoreResult};

/// Whose XCom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct XComOwner {
    pub run: RunKey,
    pub task_id: String,
    pub map_index: i32,
}

#[derive(Clone, Debug, PartialEq)]
pub struct XComRow {
    pub dag_id: String,
    pub run_id: String,
    pub task_id: String,
    pub map_index: i32,
    pub key: String,
    pub value: Value,
    pub logical_date: Option<DateTime<Utc>>,
    pub run_after: DateTime<Utc>,
    pub pushed_at: DateTime<Utc>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct XComFilter {
    pub dag_id: Option<String>,
    pub run_id: Option<String>,
    pub task_id: Option<String>,
    pub key: Option<String>,
    pub map_index: Option<i32>,
    pub key_pattern: Pattern,
    pub dag_id_pattern: Pattern,
    pub dag_display_name_pattern: Pattern,
    pub run_id_pattern: Pattern,
    pub task_id_pattern: Pattern,
    pub logical_date: Span,
    pub run_after: Span,
}

/// See `xcom.selection` in `wit/xcom.wit`.
#[derive(Clone, Debug, PartialEq)]
pub struct XComPull<'a> {
    pub run: RunKey,
    pub task_ids: Option<&'a [String]>,
    pub key: &'a str,
    pub map_indexes: Option<&'a [i32]>,
    pub include_prior_dates: bool,
}

#[async_trait]
pub trait XComs: Send + Sync {
    async fn push_xcom(&self, owner: &XComOwner, key: &str, value: &Value, now: DateTime<Utc>) -> StoreResult<()>;
    /// By task id and map index.
    async fn pull_xcoms(&self, pull: &XComPull<'_>) -> StoreResult<Vec<XComRow>>;
    /// The map indexes of a task's instances that have pushed this key, in their order; the values are not read.
    async fn xcom_map_indexes(&self, run: RunKey, task_id: &str, key: &str) -> StoreResult<Vec<i32>>;
    async fn xcom(
        &self,
        tenant: TenantId,
        dag_id: &str,
        run_id: &str,
        task_id: &str,
        map_index: i32,
        key: &str,
    ) -> StoreResult<Option<XComRow>>;
    async fn list_xcoms(&self, tenant: TenantId, filter: &XComFilter, page: &Page) -> StoreResult<Paged<XComRow>>;
    async fn delete_xcom(&self, owner: &XComOwner, key: &str) -> StoreResult<bool>;
}
