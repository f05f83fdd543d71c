use crate::bindings::airlock::operator::variables::{Host, VariableError};
use crate::capability::task::TaskServiceError;
use crate::run::state::CallState;

impl From<TaskServiceError> for VariableError {
    fn from(error: TaskServiceError) -> Self {
        match error {
            TaskServiceError::TooLarge(limit) => Self::TooLarge(limit),
            TaskServiceError::NotFound(text) | TaskServiceError::Other(text) => Self::Other(text),
        }
    }
}

impl CallState {
    fn require_variable(&mut self, access: &str, key: &str) -> Result<(), VariableError> {
        self.host_calls += 1;
        self.caller.require(&format!("variables:{access}:{key}")).map_err(VariableError::Denied)
    }
}

impl Host for CallState {
    async fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<String>, VariableError>> {
        if let Err(denied) = self.require_variable("read", &key) {
            return Ok(Err(denied));
        }
        let value = self.capabilities.task.variable(&key).await;
        Ok(match value {
            Ok(Some(value)) if value.len() as u64 > self.limits.host_call_bytes => {
                Err(VariableError::TooLarge(self.limits.host_call_bytes))
            }
            other => other.map_err(Into::into),
        })
    }

    async fn set(&mut self, key: String, value: String) -> wasmtime::Result<Result<(), VariableError>> {
        if let Err(denied) = self.require_variable("write", &key) {
            return Ok(Err(denied));
        }
        Ok(self.capabilities.task.set_variable(&key, &value).await.map_err(Into::into))
    }

    async fn delete(&mut self, key: String) -> wasmtime::Result<Result<bool, VariableError>> {
        if let Err(denied) = self.require_variable("write", &key) {
            return Ok(Err(denied));
        }
        Ok(self.capabilities.task.delete_variable(&key).await.map_err(Into::into))
    }
}
