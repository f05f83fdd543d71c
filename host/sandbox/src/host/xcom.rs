use airlock_core::id::{MAXIMUM_ID_LENGTH, UNMAPPED};
use serde_json::Value;

use crate::bindings::airlock::operator::xcom::{Entry, Host, Selection, XcomError};
use crate::capability::task::{TaskServiceError, XComSelection};
use crate::limit::{Limit, LimitReached};
use crate::run::state::CallState;

impl From<TaskServiceError> for XcomError {
    fn from(error: TaskServiceError) -> Self {
        match error {
            TaskServiceError::TooLarge(limit) => Self::TooLarge(limit),
            TaskServiceError::NotFound(text) | TaskServiceError::Other(text) => Self::Other(text),
        }
    }
}

impl Host for CallState {
    async fn push(&mut self, key: String, value: String) -> wasmtime::Result<Result<(), XcomError>> {
        self.host_calls += 1;
        if key.is_empty() || key.chars().count() > MAXIMUM_ID_LENGTH {
            return Ok(Err(XcomError::Other(format!("a key has 1 to {MAXIMUM_ID_LENGTH} characters"))));
        }
        let (bytes, limit) = (value.len() as u64, self.limits.xcom_bytes);
        if bytes > limit {
            self.note(&LimitReached::new(Limit::XComBytes, limit, bytes, "pushing an XCom"))?;
            return Ok(Err(XcomError::TooLarge(limit)));
        }
        let limit = self.limits.xcom_count;
        if !self.xcom_keys.contains(&key) && self.xcom_keys.len() >= limit as usize {
            let reached = u64::from(limit) + 1;
            self.note(&LimitReached::new(Limit::XComCount, limit.into(), reached, "pushing an XCom"))?;
            return Ok(Err(XcomError::TooMany(limit)));
        }
        let value: Value = match serde_json::from_str(&value) {
            Ok(value) => value,
            Err(error) => return Ok(Err(XcomError::InvalidJson(error.to_string()))),
        };
        let pushed = self.capabilities.task.push_xcom(&key, value).await;
        if pushed.is_ok() {
            self.xcom_keys.insert(key);
        }
        Ok(pushed.map_err(Into::into))
    }

    async fn pull(
        &mut self,
        task_id: String,
        key: String,
        map_index: Option<i32>,
    ) -> wasmtime::Result<Result<Option<String>, XcomError>> {
        let selection = Selection {
            task_ids: Some(vec![task_id]),
            key,
            map_indexes: Some(vec![map_index.unwrap_or(UNMAPPED)]),
            include_prior_dates: false,
        };
        Ok(self.pull_all(selection).await?.map(|entries| entries.into_iter().next().map(|entry| entry.value)))
    }

    async fn pull_all(&mut self, selection: Selection) -> wasmtime::Result<Result<Vec<Entry>, XcomError>> {
        self.host_calls += 1;
        let Selection { task_ids, key, map_indexes, include_prior_dates } = selection;
        let selection = XComSelection { task_ids, key, map_indexes, include_prior_dates };
        let entries = match self.capabilities.task.pull_xcoms(&selection).await {
            Ok(entries) => entries,
            Err(error) => return Ok(Err(error.into())),
        };
        let entries: Vec<Entry> = entries
            .into_iter()
            .map(|entry| Entry { task_id: entry.task_id, map_index: entry.map_index, value: entry.value.to_string() })
            .collect();
        let (bytes, limit) =
            (entries.iter().map(|entry| entry.value.len() as u64).sum::<u64>(), self.limits.host_call_bytes);
        if bytes > limit {
            self.note(&LimitReached::new(Limit::HostCall, limit, bytes, "pulling XComs"))?;
            return Ok(Err(XcomError::TooLarge(limit)));
        }
        Ok(Ok(entries))
    }
}
