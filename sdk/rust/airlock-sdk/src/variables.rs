//! The tenant's variables.

use crate::host;

/// Why a variable could not be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VariableError {
    /// A grant is missing; the text names it.
    #[error("denied: {0}")]
    Denied(String),
    /// The value is larger than the limit, in bytes.
    #[error("the variable's value is larger than {0} bytes")]
    TooLarge(u64),
    /// Anything else, in the host's words.
    #[error("{0}")]
    Other(String),
}

/// The value of a variable, if it exists. Needs the grant `variables:read:<key>`.
///
/// # Errors
/// If the grant for it is missing.
pub fn get(key: &str) -> Result<Option<String>, VariableError> {
    host::variables::get(key)
}

/// Makes or replaces a variable. Needs the grant `variables:write:<key>`.
///
/// # Errors
/// If the grant is missing, or the value too large.
pub fn set(key: &str, value: &str) -> Result<(), VariableError> {
    host::variables::set(key, value)
}

/// Removes a variable and says whether it was there. Needs the grant `variables:write:<key>`.
///
/// # Errors
/// If the grant is missing.
pub fn delete(key: &str) -> Result<bool, VariableError> {
    host::variables::delete(key)
}
