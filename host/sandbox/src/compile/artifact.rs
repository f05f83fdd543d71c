//! Machine code on disk: a private cache, never accepted from outside.
//!
//! Loading machine code is trusting it with the process, so each file carries a seal: an HMAC over what it is (module,
//! compiler, configuration) and its bytes, with a key that never leaves the data folder. A file that is damaged, forged,
//! or moved from another name fails its seal and is made again, as is one of another compiler.

use std::hash::{Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest as _, Sha256};
use wasmtime::Engine;

use airlock_core::digest::Digest;

type Seal = Hmac<Sha256>;
const SEAL_BYTES: usize = 32;
/// A whole block of the hash, which is what an HMAC takes without further ado.
const KEY_BYTES: usize = 64;
const KEY_FILE: &str = "seal.key";

/// Bytes that this host's own compiler made for this engine. The only thing that [`super::load`] takes.
pub(crate) struct Sealed(Vec<u8>);

impl Sealed {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

pub(crate) struct Artifacts {
    folder: PathBuf,
    key: [u8; KEY_BYTES],
    /// The engine's version and configuration, and the target, as one name.
    compiler: String,
}

impl Artifacts {
    /// Makes the key on first use. Processes that share the folder share the key.
    pub(crate) fn open(folder: &Path, engine: &Engine) -> std::io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        Ok(Self { folder: folder.to_owned(), key: seal_key(folder)?, compiler: compiler_name(engine) })
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.folder.join(format!("{}.{}", digest.hex(), self.compiler))
    }

    fn seal(&self, digest: &Digest, bytes: &[u8]) -> Seal {
        let mut seal = Seal::new(&self.key.into());
        for part in [digest.hex().as_bytes(), b"\0", self.compiler.as_bytes(), b"\0", bytes] {
            seal.update(part);
        }
        seal
    }

    /// What was kept for this module and engine, if it is whole.
    pub(crate) fn read(&self, digest: &Digest) -> std::io::Result<Option<Sealed>> {
        let path = self.path(digest);
        let mut bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let whole = bytes.split_last_chunk::<SEAL_BYTES>().is_some_and(|(code, seal)| {
            // Compared in constant time.
            self.seal(digest, code).verify_slice(seal).is_ok()
        });
        if !whole {
            tracing::warn!("the artifact {} fails its seal: it is made again", path.display());
            return Ok(None);
        }
        bytes.truncate(bytes.len() - SEAL_BYTES);
        Ok(Some(Sealed(bytes)))
    }

    /// Keeps what the compiler's process made. The file appears whole or not at all.
    pub(crate) fn write(&self, digest: &Digest, code: Vec<u8>) -> std::io::Result<Sealed> {
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(&code)?;
        file.write_all(&self.seal(digest, &code).finalize().into_bytes())?;
        file.persist(self.path(digest))?;
        Ok(Sealed(code))
    }

    pub(crate) fn remove(&self, digest: &Digest) -> std::io::Result<()> {
        match std::fs::remove_file(self.path(digest)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// Reads the key, or makes it: only one of several processes wins, and the others read what it made.
fn seal_key(folder: &Path) -> std::io::Result<[u8; KEY_BYTES]> {
    let path = folder.join(KEY_FILE);
    if !path.exists() {
        let mut key = [0; KEY_BYTES];
        getrandom::fill(&mut key).map_err(std::io::Error::other)?;
        // Readable by its owner only, as temporary files are made.
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(&key)?;
        file.as_file().sync_all()?;
        if let Err(error) = file.persist_noclobber(&path)
            && error.error.kind() != std::io::ErrorKind::AlreadyExists
        {
            return Err(error.error);
        }
    }
    let key = std::fs::read(&path)?;
    key.try_into().map_err(|_| {
        let path = path.display();
        std::io::Error::other(format!(
            "{path} is no key of {KEY_BYTES} bytes: remove it, and compiled modules are made again"
        ))
    })
}

/// Feeds what the engine hashes of itself into SHA-256: the standard library's hasher may differ between its versions.
struct Sha256Hasher(Sha256);

impl Hasher for Sha256Hasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let digest = self.0.clone().finalize();
        digest.first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
    }
}

fn compiler_name(engine: &Engine) -> String {
    let mut hasher = Sha256Hasher(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    format!("{}-{}-{:016x}", std::env::consts::ARCH, std::env::consts::OS, hasher.finish())
}
