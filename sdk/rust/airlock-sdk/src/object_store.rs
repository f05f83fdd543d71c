//! Object stores: S3-compatible ones, and folders of the host.

mod location;

use std::io;
use std::time::SystemTime;

use crate::host;

pub use location::Location;

/// Why a store did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    /// A grant is missing, or the store refuses the credentials; the text says which.
    #[error("denied: {0}")]
    Denied(String),
    /// No connection has this id.
    #[error("connection not found: {0}")]
    ConnectionNotFound(String),
    /// The connection is of a type that is no object store.
    #[error("{0}")]
    WrongType(String),
    /// No object has this key, or no bucket this name.
    #[error("not found: {0}")]
    NotFound(String),
    /// [`PutOptions::if_absent`], and the key is taken.
    #[error("there is already an object `{0}`")]
    AlreadyExists(String),
    /// A key or range that cannot be.
    #[error("invalid: {0}")]
    Invalid(String),
    /// There is no way to the store.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// The store took too long.
    #[error("the store took too long")]
    Timeout,
    /// Anything else, in the host's words.
    #[error("{0}")]
    Other(String),
}

/// What is known of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectMeta {
    /// The whole key.
    pub key: String,
    /// In bytes.
    pub size: u64,
    /// When the object was written last.
    pub last_modified: SystemTime,
    /// The store's mark of this content.
    pub etag: Option<String>,
}

/// How to write an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PutOptions {
    /// The media type.
    pub content_type: Option<String>,
    /// Fail with [`ObjectError::AlreadyExists`] rather than replace.
    pub if_absent: bool,
}

/// One bucket of a store.
pub struct Bucket(host::object_store::Bucket);

impl Bucket {
    /// A bucket by its name; none takes the connection's own.
    ///
    /// # Errors
    /// If there is no such connection, or a grant is missing.
    pub fn open(conn_id: &str, name: Option<&str>) -> Result<Self, ObjectError> {
        host::object_store::Bucket::open(conn_id, name).map(Self)
    }

    /// None if no object has this key.
    ///
    /// # Errors
    /// If the store cannot be asked.
    pub fn head(&self, key: &str) -> Result<Option<ObjectMeta>, ObjectError> {
        self.0.head(key)
    }

    /// The objects whose keys start with `prefix`, in byte order, a page at a time.
    pub fn list<'a>(&'a self, prefix: &'a str) -> Objects<'a> {
        Objects { bucket: self, prefix, page: Vec::new().into_iter(), start_after: None, ended: false }
    }

    /// The object's bytes, as they come.
    ///
    /// # Errors
    /// If there is no such object, or the store cannot be asked.
    pub fn get(&self, key: &str) -> Result<Reader, ObjectError> {
        self.0.get(key, None).map(Reader)
    }

    /// The bytes from `offset` on, `length` of them or all that follow.
    ///
    /// # Errors
    /// If there is no such object or range, or the store cannot be asked.
    pub fn get_range(&self, key: &str, offset: u64, length: Option<u64>) -> Result<Reader, ObjectError> {
        self.0.get(key, Some((offset, length))).map(Reader)
    }

    /// The object appears, whole, when [`Writer::finish`] returns; never before, and never in part.
    ///
    /// # Errors
    /// If the store cannot be asked.
    pub fn put(&self, key: &str, options: &PutOptions) -> Result<Writer, ObjectError> {
        self.0.put(key, options).map(Writer)
    }

    /// Within the bucket.
    ///
    /// # Errors
    /// If there is no such object, or the store cannot be asked.
    pub fn copy(&self, from: &str, to: &str) -> Result<(), ObjectError> {
        self.0.copy(from, to)
    }

    /// Deleting a key that is not there succeeds.
    ///
    /// # Errors
    /// If the store cannot be asked.
    pub fn delete(&self, key: &str) -> Result<(), ObjectError> {
        self.0.delete(key)
    }
}

/// Objects asked for in one call: as many as the contract allows.
const PAGE: u32 = 1000;

/// The objects of a bucket: an iterator that asks for a page when it needs one.
pub struct Objects<'a> {
    bucket: &'a Bucket,
    prefix: &'a str,
    page: std::vec::IntoIter<ObjectMeta>,
    start_after: Option<String>,
    ended: bool,
}

impl Iterator for Objects<'_> {
    type Item = Result<ObjectMeta, ObjectError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(object) = self.page.next() {
            return Some(Ok(object));
        }
        if self.ended {
            return None;
        }
        match self.bucket.0.list(self.prefix, self.start_after.as_deref(), PAGE) {
            Ok(page) => {
                self.ended = page.len() < PAGE as usize;
                self.start_after = page.last().map(|object| object.key.clone());
                self.page = page.into_iter();
                self.page.next().map(Ok)
            }
            Err(error) => {
                self.ended = true;
                Some(Err(error))
            }
        }
    }
}

/// Bytes passed in one call: well below the host's limit for one call.
const CHUNK: usize = 256 * 1024;

/// An object being read.
pub struct Reader(host::object_store::Reader);

impl Reader {
    /// What is known of the object.
    pub fn meta(&self) -> ObjectMeta {
        self.0.meta()
    }

    /// The next bytes, at most `max`; empty at the end.
    ///
    /// # Errors
    /// If the connection breaks.
    pub fn chunk(&mut self, max: u32) -> Result<Vec<u8>, ObjectError> {
        self.0.read(max)
    }

    /// All the bytes that are left.
    ///
    /// # Errors
    /// If the connection breaks.
    pub fn bytes(mut self) -> Result<Vec<u8>, ObjectError> {
        let mut bytes = Vec::new();
        loop {
            let chunk = self.chunk(CHUNK as u32)?;
            if chunk.is_empty() {
                return Ok(bytes);
            }
            bytes.extend(chunk);
        }
    }
}

impl io::Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let chunk = self.chunk(buffer.len().min(CHUNK) as u32).map_err(io::Error::other)?;
        buffer[..chunk.len()].copy_from_slice(&chunk);
        Ok(chunk.len())
    }
}

/// An object being written. Dropping it before [`Writer::finish`] leaves no object.
pub struct Writer(host::object_store::Writer);

impl Writer {
    /// Adds bytes, however many: they are passed to the host in pieces.
    ///
    /// # Errors
    /// If the store refuses them.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), ObjectError> {
        bytes.chunks(CHUNK).try_for_each(|chunk| self.0.write(chunk))
    }

    /// Makes the object appear.
    ///
    /// # Errors
    /// If the store refuses it; there is no object then.
    pub fn finish(self) -> Result<ObjectMeta, ObjectError> {
        self.0.finish()
    }
}
