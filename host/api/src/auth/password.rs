//! Passwords: argon2id, off the threads that serve requests, and a bounded number at once.

use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;

use crate::problem::{Answer, Problem};

#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    #[error("a password has at least {MINIMUM_LENGTH} characters")]
    TooShort,
    #[error("a password has at most {MAXIMUM_LENGTH} bytes")]
    TooLong,
    #[error("the password cannot be hashed: {0}")]
    Hashing(String),
}

const MINIMUM_LENGTH: usize = 8;
/// Nothing is gained above it, and hashing a body of megabytes would be an attack.
const MAXIMUM_LENGTH: usize = 1024;

/// Hashes a password with a fresh salt, to a PHC string. Takes tens of milliseconds.
///
/// # Errors
/// If the password is too short or too long.
pub fn hash_password(password: &str) -> Result<String, PasswordError> {
    if password.chars().count() < MINIMUM_LENGTH {
        return Err(PasswordError::TooShort);
    }
    if password.len() > MAXIMUM_LENGTH {
        return Err(PasswordError::TooLong);
    }
    Argon2::default()
        .hash_password(password.as_bytes())
        .map(|hash| hash.to_string())
        .map_err(|error| PasswordError::Hashing(error.to_string()))
}

fn verify(password: &str, hash: &str) -> bool {
    let Ok(hash) = PasswordHash::new(hash) else {
        tracing::error!("a stored password hash cannot be read");
        return false;
    };
    Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()
}

/// Checks and hashes passwords for request handlers.
pub struct Passwords {
    turns: Arc<Semaphore>,
}

/// A hash that no password has: an unknown user is checked against it, so that the time does not tell who exists.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

impl Passwords {
    pub fn new(at_once: usize) -> Self {
        Self { turns: Arc::new(Semaphore::new(at_once.max(1))) }
    }

    /// Whether the password fits the hash. No hash (no such user) takes as long, and does not fit.
    pub async fn verify(&self, password: String, hash: Option<String>) -> Answer<bool> {
        if password.len() > MAXIMUM_LENGTH {
            return Ok(false);
        }
        self.run(move || verify(&password, hash.as_deref().unwrap_or(NOBODY)) && hash.is_some()).await
    }

    pub async fn hash(&self, password: String) -> Answer<String> {
        self.run(move || hash_password(&password)).await?.map_err(|error| match error {
            PasswordError::Hashing(_) => Problem::internal(error),
            PasswordError::TooShort | PasswordError::TooLong => Problem::invalid("/password", error.to_string()),
        })
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Answer<T> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(Problem::internal)?;
        tokio::task::spawn_blocking(move || {
            // Held until the work is done, also where the request that asked for it has gone.
            let _turn = turn;
            work()
        })
        .await
        .map_err(Problem::internal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_fits_only_its_own_hash() {
        let passwords = Passwords::new(1);
        let hash = passwords.hash("correct horse".to_owned()).await.unwrap();
        assert!(hash.starts_with("$argon2id$"));
        assert!(passwords.verify("correct horse".to_owned(), Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify("battery staple".to_owned(), Some(hash)).await.unwrap());
        assert!(!passwords.verify("anything".to_owned(), None).await.unwrap());
        assert!(PasswordHash::new(NOBODY).is_ok());
    }

    #[test]
    fn lengths_are_bounded() {
        assert!(matches!(hash_password("short"), Err(PasswordError::TooShort)));
        assert!(matches!(hash_password(&"x".repeat(2000)), Err(PasswordError::TooLong)));
    }
}
