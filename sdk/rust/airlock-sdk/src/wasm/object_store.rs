use super::instant::from_wit;
use super::wit::object_store as wit;
use crate::object_store::{ObjectError, ObjectMeta, PutOptions};

fn error(error: wit::ObjectError) -> ObjectError {
    match error {
        wit::ObjectError::Denied(text) => ObjectError::Denied(text),
        wit::ObjectError::ConnectionNotFound(text) => ObjectError::ConnectionNotFound(text),
        wit::ObjectError::WrongType(text) => ObjectError::WrongType(text),
        wit::ObjectError::NotFound(text) => ObjectError::NotFound(text),
        wit::ObjectError::AlreadyExists(text) => ObjectError::AlreadyExists(text),
        wit::ObjectError::Invalid(text) => ObjectError::Invalid(text),
        wit::ObjectError::Connect(text) => ObjectError::Connect(text),
        wit::ObjectError::Timeout => ObjectError::Timeout,
        wit::ObjectError::Other(text) => ObjectError::Other(text),
    }
}

fn meta(meta: wit::ObjectMeta) -> ObjectMeta {
    ObjectMeta { key: meta.key, size: meta.size, last_modified: from_wit(meta.last_modified), etag: meta.etag }
}

pub struct Bucket(wit::Bucket);

impl Bucket {
    pub fn open(conn_id: &str, name: Option<&str>) -> Result<Self, ObjectError> {
        wit::Bucket::open(conn_id, name).map(Self).map_err(error)
    }

    pub fn head(&self, key: &str) -> Result<Option<ObjectMeta>, ObjectError> {
        Ok(self.0.head(key).map_err(error)?.map(meta))
    }

    pub fn list(&self, prefix: &str, start_after: Option<&str>, limit: u32) -> Result<Vec<ObjectMeta>, ObjectError> {
        let options = wit::ListOptions { prefix: prefix.into(), start_after: start_after.map(Into::into), limit };
        Ok(self.0.list(&options).map_err(error)?.into_iter().map(meta).collect())
    }

    pub fn get(&self, key: &str, range: Option<(u64, Option<u64>)>) -> Result<Reader, ObjectError> {
        let range = range.map(|(offset, length)| wit::Range { offset, length });
        self.0.get(key, range).map(Reader).map_err(error)
    }

    pub fn put(&self, key: &str, options: &PutOptions) -> Result<Writer, ObjectError> {
        let options = wit::PutOptions { content_type: options.content_type.clone(), if_absent: options.if_absent };
        self.0.put(key, &options).map(Writer).map_err(error)
    }

    pub fn copy(&self, from: &str, to: &str) -> Result<(), ObjectError> {
        self.0.copy(from, to).map_err(error)
    }

    pub fn delete(&self, key: &str) -> Result<(), ObjectError> {
        self.0.delete(key).map_err(error)
    }
}

pub struct Reader(wit::Reader);

impl Reader {
    pub fn meta(&self) -> ObjectMeta {
        meta(self.0.meta())
    }

    pub fn read(&mut self, max: u32) -> Result<Vec<u8>, ObjectError> {
        self.0.read(max).map_err(error)
    }
}

pub struct Writer(wit::Writer);

impl Writer {
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), ObjectError> {
        self.0.write(bytes).map_err(error)
    }

    pub fn finish(self) -> Result<ObjectMeta, ObjectError> {
        self.0.finish().map(meta).map_err(error)
    }
}
