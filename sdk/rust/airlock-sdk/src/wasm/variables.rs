use super::wit::variables as wit;
use crate::variables::VariableError;

fn error(error: wit::VariableError) -> VariableError {
    match error {
        wit::VariableError::Denied(text) => VariableError::Denied(text),
        wit::VariableError::TooLarge(limit) => VariableError::TooLarge(limit),
        wit::VariableError::Other(text) => VariableError::Other(text),
    }
}

pub fn get(key: &str) -> Result<Option<String>, VariableError> {
    wit::get(key).map_err(error)
}

pub fn set(key: &str, value: &str) -> Result<(), VariableError> {
    wit::set(key, value).map_err(error)
}

pub fn delete(key: &str) -> Result<bool, VariableError> {
    wit::delete(key).map_err(error)
}
