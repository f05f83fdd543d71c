use std::sync::Arc;

use crate::object_store::{ObjectError, ObjectMeta, PutOptions};
use crate::testing::{State, current};

pub struct Bucket {
    host: Arc<State>,
    /// The connection and the bucket's name.
    id: (String, String),
}

impl Bucket {
    pub fn open(conn_id: &str, name: Option<&str>) -> Result<Self, ObjectError> {
        let host = current();
        let connection = host.connections.lock().get(conn_id).map(|(connection, _)| connection.clone());
        if connection.is_none() && !host.stores.knows(conn_id) {
            return Err(ObjectError::ConnectionNotFound(conn_id.into()));
        }
        let own_name = connection.and_then(|connection| {
            let extra = connection.extra.get("bucket").and_then(|bucket| bucket.as_str()).map(Into::into);
            extra.or(connection.schema)
        });
        let name = name.map(Into::into).or(own_name).ok_or_else(|| {
            ObjectError::Invalid(format!("no bucket is named, and the connection `{conn_id}` has none of its own"))
        })?;
        Ok(Self { host, id: (conn_id.into(), name) })
    }

    pub fn head(&self, key: &str) -> Result<Option<ObjectMeta>, ObjectError> {
        self.host.stores.with(&self.id, |objects| Ok(objects.get(key).map(|object| object.meta(key))))
    }

    pub fn list(&self, prefix: &str, start_after: Option<&str>, limit: u32) -> Result<Vec<ObjectMeta>, ObjectError> {
        self.host.stores.with(&self.id, |objects| {
            let found = objects.iter().filter(|(key, _)| key.starts_with(prefix));
            let found = found.filter(|(key, _)| start_after.is_none_or(|start| key.as_str() > start));
            Ok(found.take(limit as usize).map(|(key, object)| object.meta(key)).collect())
        })
    }

    pub fn get(&self, key: &str, range: Option<(u64, Option<u64>)>) -> Result<Reader, ObjectError> {
        let object = self.host.stores.get(&self.id, key)?;
        let size = object.bytes.len() as u64;
        let (offset, length) = range.unwrap_or((0, None));
        if offset > size {
            return Err(ObjectError::Invalid(format!("`{key}` has {size} bytes, so it cannot be read from {offset}")));
        }
        let end = length.map_or(size, |length| size.min(offset.saturating_add(length)));
        Ok(Reader { meta: object.meta(key), bytes: object.bytes, position: offset as usize, end: end as usize })
    }

    pub fn put(&self, key: &str, options: &PutOptions) -> Result<Writer, ObjectError> {
        self.host.stores.with(&self.id, |_| Ok(()))?;
        let host = self.host.clone();
        Ok(Writer { host, bucket: self.id.clone(), key: key.into(), options: options.clone(), bytes: Vec::new() })
    }

    pub fn copy(&self, from: &str, to: &str) -> Result<(), ObjectError> {
        let object = self.host.stores.get(&self.id, from)?;
        self.host.stores.put(&self.id, to, object.bytes.to_vec(), &PutOptions::default()).map(|_| ())
    }

    pub fn delete(&self, key: &str) -> Result<(), ObjectError> {
        self.host.stores.with(&self.id, |objects| {
            objects.remove(key);
            Ok(())
        })
    }
}

pub struct Reader {
    meta: ObjectMeta,
    bytes: Arc<[u8]>,
    position: usize,
    end: usize,
}

impl Reader {
    pub fn meta(&self) -> ObjectMeta {
        self.meta.clone()
    }

    pub fn read(&mut self, max: u32) -> Result<Vec<u8>, ObjectError> {
        let end = self.end.min(self.position + max as usize);
        let chunk = self.bytes[self.position..end].to_vec();
        self.position = end;
        Ok(chunk)
    }
}

pub struct Writer {
    host: Arc<State>,
    bucket: (String, String),
    key: String,
    options: PutOptions,
    bytes: Vec<u8>,
}

impl Writer {
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), ObjectError> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    pub fn finish(self) -> Result<ObjectMeta, ObjectError> {
        self.host.stores.put(&self.bucket, &self.key, self.bytes, &self.options)
    }
}
