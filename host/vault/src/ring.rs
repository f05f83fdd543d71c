//! The keys that a vault has, and the file that they lie in.

use std::io::Write;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::key::{Key, KeyId};

#[derive(Debug, thiserror::Error)]
pub enum KeyRingError {
    #[error("{action} the key file {}: {source}", path.display())]
    File { action: &'static str, path: PathBuf, source: std::io::Error },
    /// Never says what the line holds: it may be a key with a typing error.
    #[error("line {0} of the key ring is no key: a line is `ID:KEY`, 8 and 64 hexadecimal digits")]
    InvalidLine(usize),
    #[error("the key ring is empty")]
    Empty,
    #[error("the key {0} is in the key ring twice")]
    Repeated(KeyId),
    #[error("the system has no randomness to give: {0}")]
    Randomness(String),
}

impl From<getrandom::Error> for KeyRingError {
    fn from(error: getrandom::Error) -> Self {
        Self::Randomness(error.to_string())
    }
}

/// One or more keys, the newest last. As text, a key a line; empty lines and lines with `#` in front are passed over.
#[derive(Clone, Debug)]
pub struct KeyRing {
    older: Vec<Key>,
    newest: Key,
}

impl KeyRing {
    /// A ring of one new key.
    pub fn generate() -> Result<Self, KeyRingError> {
        Ok(Self { older: Vec::new(), newest: Key::generate()? })
    }

    /// This ring with a new key that seals from now on.
    pub fn with_new_key(self) -> Result<Self, KeyRingError> {
        let mut older = self.older;
        older.push(self.newest);
        Ok(Self { older, newest: Key::generate()? })
    }

    /// This ring without the keys that no longer seal. Only when nothing is left that they sealed.
    #[must_use]
    pub fn with_newest_only(self) -> Self {
        Self { older: Vec::new(), newest: self.newest }
    }

    pub fn parse(text: &str) -> Result<Self, KeyRingError> {
        let mut keys: Vec<Key> = Vec::new();
        for (number, line) in text.lines().map(str::trim).enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let key = Key::from_line(line).ok_or(KeyRingError::InvalidLine(number + 1))?;
            if keys.iter().any(|other| other.id() == key.id()) {
                return Err(KeyRingError::Repeated(key.id()));
            }
            keys.push(key);
        }
        let newest = keys.pop().ok_or(KeyRingError::Empty)?;
        Ok(Self { older: keys, newest })
    }

    /// Reads a key file, or makes it with one new key, readable by its owner alone.
    pub fn open_or_create(path: &Path) -> Result<Self, KeyRingError> {
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(Zeroizing::new(text).as_str()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let ring = Self::generate()?;
                // Whoever makes it first wins: two processes that start together must not seal with different keys.
                match ring.write(path, WriteMode::New) {
                    Err(KeyRingError::File { source, .. }) if source.kind() == std::io::ErrorKind::AlreadyExists => {
                        Self::open_or_create(path)
                    }
                    written => written.map(|()| ring),
                }
            }
            Err(source) => Err(KeyRingError::File { action: "cannot read", path: path.to_owned(), source }),
        }
    }

    /// Replaces a key file.
    pub fn save(&self, path: &Path) -> Result<(), KeyRingError> {
        self.write(path, WriteMode::Replace)
    }

    /// The file appears whole or not at all: a torn key file would lose every secret.
    fn write(&self, path: &Path, mode: WriteMode) -> Result<(), KeyRingError> {
        let failed = |source| KeyRingError::File { action: "cannot write", path: path.to_owned(), source };
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.new", std::process::id()));
        let draft = path.with_file_name(name);
        let written = self.write_draft(&draft).and_then(|()| match mode {
            WriteMode::New => std::fs::hard_link(&draft, path),
            WriteMode::Replace => std::fs::rename(&draft, path),
        });
        if mode == WriteMode::New || written.is_err() {
            // The draft's other name stays, or nothing of it was of use.
            let _ = std::fs::remove_file(&draft);
        }
        written.map_err(failed)
    }

    fn write_draft(&self, draft: &Path) -> std::io::Result<()> {
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(draft)?;
        writeln!(file, "# The keys of Airlock's vault, the newest last. Without them no stored secret can be read.")?;
        for key in self.older.iter().chain([&self.newest]) {
            writeln!(file, "{}", key.to_line().as_str())?;
        }
        file.sync_all()
    }

    pub(crate) fn newest(&self) -> &Key {
        &self.newest
    }

    pub(crate) fn key(&self, id: KeyId) -> Option<&Key> {
        [&self.newest].into_iter().chain(&self.older).find(|key| key.id() == id)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum WriteMode {
    New,
    Replace,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_is_made_once_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vault.keys");
        let made = KeyRing::open_or_create(&path).unwrap();
        let read = KeyRing::open_or_create(&path).unwrap();
        assert_eq!(made.newest.id(), read.newest.id());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let rotated = read.with_new_key().unwrap();
        rotated.save(&path).unwrap();
        let again = KeyRing::open_or_create(&path).unwrap();
        assert_eq!((again.older.len(), again.newest.id()), (1, rotated.newest.id()));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn what_is_no_key_ring_is_refused_without_showing_it() {
        assert!(matches!(KeyRing::parse("# nothing\n\n"), Err(KeyRingError::Empty)));
        let error = KeyRing::parse("secret:value").unwrap_err();
        assert!(!error.to_string().contains("secret"));
        let line = Key::generate().unwrap().to_line();
        let twice = format!("{}\n{}", line.as_str(), line.as_str());
        assert!(matches!(KeyRing::parse(&twice), Err(KeyRingError::Repeated(_))));
    }

    #[test]
    fn debug_shows_no_key() {
        let key = Key::generate().unwrap();
        let shown = format!("{:?}", KeyRing { older: vec![], newest: key.clone() });
        assert!(!shown.contains(&hex::encode(key.bytes())));
    }
}
