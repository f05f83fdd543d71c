//! Encryption of secrets at rest: XChaCha20-Poly1305 under a ring of keys.
//!
//! A sealed value is bound to its [`Place`], so that somebody who can write to the database cannot move one tenant's password
//! to another's connection and have the host use it there. The newest key seals; every key of the ring opens, so that a key is
//! rotated by adding one, sealing everything again, and then removing the old one.

mod key;
mod ring;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

pub use key::{Key, KeyId};
pub use ring::{KeyRing, KeyRingError};

/// The first byte of a sealed value: what follows is key id, nonce and ciphertext as of this version.
const FORMAT: u8 = 1;
const KEY_ID_LENGTH: usize = 4;
const NONCE_LENGTH: usize = 24;
const HEADER_LENGTH: usize = 1 + KEY_ID_LENGTH + NONCE_LENGTH;

/// Where a sealed value belongs. It opens only there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    pub tenant: i64,
    /// What it is: `variable`, `connection.password`, `connection.extra` ...
    pub kind: &'a str,
    /// The name of the row that it belongs to.
    pub name: &'a str,
}

impl Place<'_> {
    fn associated_data(&self) -> Vec<u8> {
        // Lengths in between: no two places have the same bytes.
        let mut bytes = self.tenant.to_be_bytes().to_vec();
        for part in [self.kind, self.name] {
            bytes.extend((part.len() as u64).to_be_bytes());
            bytes.extend(part.as_bytes());
        }
        bytes
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    #[error("a sealed value was sealed with key {0}, which is not in the ring")]
    UnknownKey(KeyId),
    /// It was changed, or belongs to another place.
    #[error("a sealed value cannot be opened: it is damaged, or was moved here from elsewhere")]
    Forged,
    #[error("what should be a sealed value is none: {0}")]
    NotSealed(&'static str),
    #[error("the system has no randomness to give: {0}")]
    Randomness(String),
}

/// Seals and opens values. Shared by whatever needs it.
pub struct Vault {
    ring: KeyRing,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Vault").field("ring", &self.ring).finish()
    }
}

impl Vault {
    pub fn new(ring: KeyRing) -> Self {
        Self { ring }
    }

    /// Seals with the newest key. The same value sealed twice is different each time.
    pub fn seal(&self, place: Place<'_>, plain: &[u8]) -> Result<Vec<u8>, VaultError> {
        let key = self.ring.newest();
        let mut nonce = [0; NONCE_LENGTH];
        getrandom::fill(&mut nonce).map_err(|error| VaultError::Randomness(error.to_string()))?;
        let payload = Payload { msg: plain, aad: &place.associated_data() };
        // The cipher refuses only what is longer than 256 GB.
        let sealed =
            cipher(key).encrypt(&XNonce::from(nonce), payload).map_err(|_| VaultError::NotSealed("too long"))?;
        let mut bytes = Vec::with_capacity(HEADER_LENGTH + sealed.len());
        bytes.push(FORMAT);
        bytes.extend(key.id().0);
        bytes.extend(nonce);
        bytes.extend(sealed);
        Ok(bytes)
    }

    pub fn open(&self, place: Place<'_>, sealed: &[u8]) -> Result<Vec<u8>, VaultError> {
        let (id, nonce, ciphertext) = parts(sealed)?;
        let key = self.ring.key(id).ok_or(VaultError::UnknownKey(id))?;
        let payload = Payload { msg: ciphertext, aad: &place.associated_data() };
        cipher(key).decrypt(&XNonce::from(nonce), payload).map_err(|_| VaultError::Forged)
    }

    /// Opens what is text. A sealed value that is not UTF-8 was not sealed by this program.
    pub fn open_text(&self, place: Place<'_>, sealed: &[u8]) -> Result<String, VaultError> {
        String::from_utf8(self.open(place, sealed)?).map_err(|_| VaultError::Forged)
    }

    /// Whether a value was sealed with another key than the newest, and should be sealed again.
    pub fn is_stale(&self, sealed: &[u8]) -> Result<bool, VaultError> {
        Ok(parts(sealed)?.0 != self.ring.newest().id())
    }
}

fn cipher(key: &Key) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(key.bytes().into())
}

fn parts(sealed: &[u8]) -> Result<(KeyId, [u8; NONCE_LENGTH], &[u8]), VaultError> {
    let (format, rest) = sealed.split_first().ok_or(VaultError::NotSealed("it is empty"))?;
    if *format != FORMAT {
        return Err(VaultError::NotSealed("its format is of another version"));
    }
    let short = VaultError::NotSealed("it is too short");
    let (id, rest) = rest.split_first_chunk().ok_or_else(|| short.clone())?;
    let (nonce, ciphertext) = rest.split_first_chunk().ok_or(short)?;
    Ok((KeyId(*id), *nonce, ciphertext))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Place<'static> = Place { tenant: 1, kind: "connection.password", name: "warehouse" };

    fn vault() -> Vault {
        Vault::new(KeyRing::generate().unwrap())
    }

    #[test]
    fn what_is_sealed_opens_in_its_place_only() {
        let vault = vault();
        let sealed = vault.seal(HERE, b"correct horse").unwrap();
        assert!(!sealed.windows(7).any(|window| window == b"correct"));
        assert_eq!(vault.open_text(HERE, &sealed).unwrap(), "correct horse");
        for elsewhere in [
            Place { tenant: 2, ..HERE },
            Place { kind: "connection.extra", ..HERE },
            Place { name: "lake", ..HERE },
            Place { kind: "connection.passwordw", name: "arehouse", ..HERE },
        ] {
            assert_eq!(vault.open(elsewhere, &sealed), Err(VaultError::Forged), "{elsewhere:?}");
        }
        assert_ne!(vault.seal(HERE, b"correct horse").unwrap(), sealed);
    }

    #[test]
    fn a_changed_value_does_not_open() {
        let vault = vault();
        let sealed = vault.seal(HERE, b"correct horse").unwrap();
        for position in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[position] ^= 1;
            assert!(vault.open(HERE, &changed).is_err(), "byte {position}");
            assert!(vault.open(HERE, &sealed[..position]).is_err(), "cut at {position}");
        }
    }

    #[test]
    fn keys_rotate() {
        let old = KeyRing::generate().unwrap();
        let sealed = Vault::new(old.clone()).seal(HERE, b"correct horse").unwrap();
        let vault = Vault::new(old.clone().with_new_key().unwrap());
        assert_eq!(vault.open(HERE, &sealed).unwrap(), b"correct horse");
        assert!(vault.is_stale(&sealed).unwrap());
        let again = vault.seal(HERE, &vault.open(HERE, &sealed).unwrap()).unwrap();
        assert!(!vault.is_stale(&again).unwrap());
        assert!(matches!(Vault::new(old).open(HERE, &again), Err(VaultError::UnknownKey(_))));
    }
}
