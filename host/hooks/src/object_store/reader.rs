//! An object that is read as a stream.

use std::sync::Arc;

use airlock_sandbox::capability::object_store::{ObjectError, ObjectMeta, ObjectReader};
use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt;
use futures::stream::BoxStream;
use object_store::GetResult;

use super::bucket::{Shared, meta};

pub(super) struct Reader {
    meta: ObjectMeta,
    /// None for what has no bytes to read.
    body: Option<(BoxStream<'static, object_store::Result<Bytes>>, Arc<Shared>)>,
    /// What came and was not asked for yet.
    rest: Bytes,
}

impl Reader {
    pub(super) fn new(result: GetResult, shared: Arc<Shared>) -> Self {
        let meta = meta(result.meta.clone());
        Self { meta, body: Some((result.into_stream(), shared)), rest: Bytes::new() }
    }

    pub(super) fn empty(meta: ObjectMeta) -> Self {
        Self { meta, body: None, rest: Bytes::new() }
    }
}

#[async_trait]
impl ObjectReader for Reader {
    fn meta(&self) -> &ObjectMeta {
        &self.meta
    }

    async fn read(&mut self, max: usize) -> Result<Bytes, ObjectError> {
        while self.rest.is_empty()
            && let Some((stream, shared)) = &mut self.body
        {
            match shared.step(&self.meta.key, stream.try_next()).await? {
                Some(bytes) => self.rest = bytes,
                None => self.body = None,
            }
        }
        Ok(self.rest.split_to(max.min(self.rest.len())))
    }
}
