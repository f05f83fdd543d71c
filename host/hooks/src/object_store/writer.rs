//! An object that is written as a stream, and appears whole or not at all.

use std::sync::Arc;

use airlock_sandbox::capability::object_store::{ObjectError, ObjectMeta, ObjectWriter, PutOptions};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, CopyMode, CopyOptions, MultipartUpload, ObjectStore, ObjectStoreExt, PutMode,
    PutMultipartOptions, PutPayload,
};

use super::bucket::{Lister, Shared};

/// Bytes of a part. S3 takes 10,000 parts of at least 5 MiB: so an object may have 80 GB.
const PART: usize = 8 << 20;
const PARTS: usize = 10_000;

pub(super) struct Writer {
    shared: Arc<Shared>,
    key: String,
    path: Path,
    options: PutOptions,
    /// Less than a part.
    buffer: BytesMut,
    upload: Option<Upload>,
}

/// A multipart upload. Dropping it aborts it, unless it is complete.
struct Upload {
    parts: usize,
    inner: Option<Box<dyn MultipartUpload>>,
    /// A conditional object is written here first: stores know the condition for a whole object only.
    staged: Option<Path>,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, key: &str, path: Path, options: PutOptions) -> Self {
        Self { shared, key: key.to_owned(), path, options, buffer: BytesMut::new(), upload: None }
    }

    fn attributes(&self) -> Attributes {
        match (&self.options.content_type, &self.shared.lister) {
            (Some(content_type), Lister::Pages(_)) => {
                Attributes::from_iter([(Attribute::ContentType, content_type.clone())])
            }
            // A file has no content type.
            (Some(_), Lister::Folder(_)) | (None, _) => Attributes::new(),
        }
    }

    async fn start(&mut self) -> Result<Upload, ObjectError> {
        let staged = self
            .options
            .if_absent
            .then(|| Path::parse(format!("{}.{}.part", self.key, uuid::Uuid::new_v4().simple())))
            .transpose()
            .map_err(|error| ObjectError::Invalid(error.to_string()))?;
        let options = PutMultipartOptions { attributes: self.attributes(), ..PutMultipartOptions::default() };
        let path = staged.as_ref().unwrap_or(&self.path);
        let inner = self.shared.step(&self.key, self.shared.store.put_multipart_opts(path, options)).await?;
        Ok(Upload { parts: 0, inner: Some(inner), staged })
    }

    async fn send_part(&mut self, part: Bytes) -> Result<(), ObjectError> {
        let mut upload = match self.upload.take() {
            Some(upload) => upload,
            None => self.start().await?,
        };
        upload.parts += 1;
        if upload.parts > PARTS {
            return Err(ObjectError::Invalid(format!("`{}` is larger than {} bytes", self.key, PART * PARTS)));
        }
        if let Some(inner) = &mut upload.inner {
            self.shared.step(&self.key, inner.put_part(PutPayload::from_bytes(part))).await?;
        }
        self.upload = Some(upload);
        Ok(())
    }

    async fn finish_whole(&mut self) -> Result<(), ObjectError> {
        let mode = if self.options.if_absent { PutMode::Create } else { PutMode::Overwrite };
        let options = object_store::PutOptions { mode, attributes: self.attributes(), ..Default::default() };
        let payload = PutPayload::from_bytes(self.buffer.split().freeze());
        self.shared.step(&self.key, self.shared.store.put_opts(&self.path, payload, options)).await?;
        Ok(())
    }

    async fn finish_parts(&mut self, mut upload: Upload) -> Result<(), ObjectError> {
        if let Some(inner) = &mut upload.inner {
            self.shared.step(&self.key, inner.complete()).await?;
        }
        upload.inner = None;
        let Some(staged) = upload.staged.take() else { return Ok(()) };
        let create = CopyOptions::new().with_mode(CopyMode::Create);
        let moved = self.shared.step(&self.key, self.shared.store.copy_opts(&staged, &self.path, create)).await;
        self.shared.step(&self.key, self.shared.store.delete(&staged)).await?;
        moved
    }
}

#[async_trait]
impl ObjectWriter for Writer {
    async fn write(&mut self, bytes: Bytes) -> Result<(), ObjectError> {
        self.buffer.extend_from_slice(&bytes);
        while self.buffer.len() >= PART {
            let part = self.buffer.split_to(PART).freeze();
            self.send_part(part).await?;
        }
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<ObjectMeta, ObjectError> {
        if self.upload.is_some() && !self.buffer.is_empty() {
            let part = self.buffer.split().freeze();
            self.send_part(part).await?;
        }
        match self.upload.take() {
            Some(upload) => self.finish_parts(upload).await?,
            None => self.finish_whole().await?,
        }
        self.shared.meta(&self.key, &self.path).await
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let Some(mut inner) = self.inner.take() else { return };
        // Outside a runtime there is nobody left to send the request; stores clear such remains by age.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = inner.abort().await {
                    tracing::debug!(%error, "an upload that nobody finishes could not be aborted");
                }
            });
        }
    }
}
