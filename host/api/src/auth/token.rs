//! Tokens: random, opaque, and stored only as a hash. A revoked one is worthless at once.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::problem::{Answer, Problem};

/// What a token begins with, so that scanners for leaked secrets can know it.
const PREFIX: &str = "airlock_";

/// A token that has just been made: the text for its owner, the hash for the database.
pub struct NewToken {
    pub text: String,
    pub hash: [u8; 32],
}

impl NewToken {
    pub fn random() -> Answer<Self> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(Problem::internal)?;
        let text = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(secret));
        let hash = hash_token(&text);
        Ok(Self { text, hash })
    }
}

/// A password for a user that the server makes: 128 bits, in letters that can be read out.
pub fn random_password() -> Answer<String> {
    let mut secret = [0; 16];
    getrandom::fill(&mut secret).map_err(Problem::internal)?;
    Ok(hex::encode(secret))
}

/// SHA-256 suffices: unlike a password, a token has 256 bits of its own.
pub fn hash_token(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}
