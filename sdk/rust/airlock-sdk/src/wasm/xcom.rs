use super::wit::xcom as wit;
use crate::xcom::{Entry, Selection, XComError};

fn error(error: wit::XcomError) -> XComError {
    match error {
        wit::XcomError::InvalidJson(text) => XComError::InvalidJson(text),
        wit::XcomError::TooLarge(limit) => XComError::TooLarge(limit),
        wit::XcomError::TooMany(limit) => XComError::TooMany(limit),
        wit::XcomError::Other(text) => XComError::Other(text),
    }
}

pub fn push(key: &str, value: String) -> Result<(), XComError> {
    wit::push(key, &value).map_err(error)
}

pub fn pull(task_id: &str, key: &str, map_index: Option<i32>) -> Result<Option<String>, XComError> {
    wit::pull(task_id, key, map_index).map_err(error)
}

pub fn pull_all(selection: &Selection) -> Result<Vec<Entry>, XComError> {
    let selection = wit::Selection {
        task_ids: selection.task_ids.clone(),
        key: selection.key.clone(),
        map_indexes: selection.map_indexes.clone(),
        include_prior_dates: selection.include_prior_dates,
    };
    wit::pull_all(&selection)
        .map_err(error)?
        .into_iter()
        .map(|entry| {
            let value =
                serde_json::from_str(&entry.value).map_err(|error| XComError::InvalidJson(error.to_string()))?;
            Ok(Entry { task_id: entry.task_id, map_index: entry.map_index, value })
        })
        .collect()
}
