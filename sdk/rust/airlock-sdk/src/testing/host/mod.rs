//! The functions of this crate over the double. One module per interface, as in the component's `wasm`.

pub mod assets;
pub mod dag_runs;
pub mod object_store;
pub mod sql;

use super::{Record, current};

pub mod context {
    use crate::context::Context;

    pub fn get() -> Context {
        super::current().context.lock().clone()
    }
}

pub mod log {
    use super::{Record, current};
    use crate::log::Level;

    pub fn write(level: Level, message: &str, fields: &[(&str, &str)]) {
        let fields = fields.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        current().logs.lock().push(Record { level, message: message.into(), fields });
    }
}

pub mod xcom {
    use super::current;
    use crate::xcom::{Entry, Selection, XComError};

    pub fn push(key: &str, value: String) -> Result<(), XComError> {
        let value = serde_json::from_str(&value).map_err(|error| XComError::InvalidJson(error.to_string()))?;
        current().pushed.lock().insert(key.into(), value);
        Ok(())
    }

    pub fn pull(task_id: &str, key: &str, map_index: Option<i32>) -> Result<Option<String>, XComError> {
        let selection = Selection {
            task_ids: Some(vec![task_id.into()]),
            key: key.into(),
            map_indexes: Some(vec![map_index.unwrap_or(-1)]),
            include_prior_dates: false,
        };
        Ok(pull_all(&selection)?.pop().map(|entry| entry.value.to_string()))
    }

    pub fn pull_all(selection: &Selection) -> Result<Vec<Entry>, XComError> {
        let host = current();
        let xcoms = host.xcoms.lock();
        let mut entries: Vec<Entry> = xcoms
            .iter()
            .filter(|(key, _)| *key == selection.key)
            .map(|(_, entry)| entry)
            .filter(|entry| selection.task_ids.as_ref().is_none_or(|ids| ids.contains(&entry.task_id)))
            .filter(|entry| selection.map_indexes.as_ref().is_none_or(|indexes| indexes.contains(&entry.map_index)))
            .cloned()
            .collect();
        entries.sort_by(|a, b| (&a.task_id, a.map_index).cmp(&(&b.task_id, b.map_index)));
        Ok(entries)
    }
}

pub mod variables {
    use super::current;
    use crate::variables::VariableError;

    pub fn get(key: &str) -> Result<Option<String>, VariableError> {
        Ok(current().variables.lock().get(key).cloned())
    }

    pub fn set(key: &str, value: &str) -> Result<(), VariableError> {
        current().variables.lock().insert(key.into(), value.into());
        Ok(())
    }

    pub fn delete(key: &str) -> Result<bool, VariableError> {
        Ok(current().variables.lock().remove(key).is_some())
    }
}

pub mod connections {
    use super::current;
    use crate::connections::{Connection, ConnectionError, Secret};

    fn find(conn_id: &str) -> Result<(Connection, Secret), ConnectionError> {
        let host = current();
        let connections = host.connections.lock();
        connections.get(conn_id).cloned().ok_or_else(|| ConnectionError::NotFound(conn_id.into()))
    }

    pub fn get(conn_id: &str) -> Result<Connection, ConnectionError> {
        find(conn_id).map(|(connection, _)| connection)
    }

    pub fn get_secret(conn_id: &str) -> Result<Secret, ConnectionError> {
        find(conn_id).map(|(_, secret)| secret)
    }
}

pub mod http {
    use super::current;
    use crate::http::{HttpError, Request};
    use crate::testing::Answer;

    pub fn send(request: Request) -> Result<Response, HttpError> {
        let url = request.url.clone();
        let answer = current().web.answer(request)?;
        Ok(Response { answer, url, read: 0 })
    }

    pub struct Response {
        answer: Answer,
        url: String,
        read: usize,
    }

    impl Response {
        pub fn status(&self) -> u16 {
            self.answer.status
        }

        pub fn headers(&self) -> Vec<(String, String)> {
            self.answer.headers.clone()
        }

        pub fn url(&self) -> String {
            self.url.clone()
        }

        pub fn read(&mut self, max: u32) -> Result<Vec<u8>, HttpError> {
            let end = self.answer.body.len().min(self.read + max as usize);
            let chunk = self.answer.body[self.read..end].to_vec();
            self.read = end;
            Ok(chunk)
        }
    }
}
