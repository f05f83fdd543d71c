use std::sync::Arc;

use airlock_telemetry::call_span;
use airlock_telemetry::trace::traced;
use bytes::Bytes;
use wasmtime::component::Resource;

use crate::bindings::airlock::operator::object_store::{
    Host, HostBucket, HostReader, HostWriter, ListOptions, ObjectError, ObjectMeta, PutOptions, Range,
};
use crate::capability::object_store as capability;
use crate::host::instant;
use crate::run::state::CallState;

/// Objects that one page of a listing may hold.
const PAGE: u32 = 1_000;

pub struct Bucket(Arc<dyn capability::Bucket>);

pub struct Reader(Box<dyn capability::ObjectReader>);

/// Empty once it is finished.
pub struct Writer(Option<Box<dyn capability::ObjectWriter>>);

impl From<capability::ObjectError> for ObjectError {
    fn from(error: capability::ObjectError) -> Self {
        match error {
            capability::ObjectError::Denied(text) => Self::Denied(text),
            capability::ObjectError::ConnectionNotFound(id) => Self::ConnectionNotFound(id),
            capability::ObjectError::WrongType(text) => Self::WrongType(text),
            capability::ObjectError::NotFound(text) => Self::NotFound(text),
            capability::ObjectError::AlreadyExists(text) => Self::AlreadyExists(text),
            capability::ObjectError::Invalid(text) => Self::Invalid(text),
            capability::ObjectError::Connect(text) => Self::Connect(text),
            capability::ObjectError::Timeout => Self::Timeout,
            capability::ObjectError::Other(text) => Self::Other(text),
        }
    }
}

fn meta(meta: &capability::ObjectMeta) -> ObjectMeta {
    ObjectMeta {
        key: meta.key.clone(),
        size: meta.size,
        last_modified: instant(meta.last_modified),
        etag: meta.etag.clone(),
    }
}

impl CallState {
    fn bucket(&mut self, bucket: &Resource<Bucket>) -> wasmtime::Result<Arc<dyn capability::Bucket>> {
        self.host_calls += 1;
        Ok(self.table.get(bucket)?.0.clone())
    }
}

impl Host for CallState {}

impl HostBucket for CallState {
    async fn open(
        &mut self,
        conn_id: String,
        name: Option<String>,
    ) -> wasmtime::Result<Result<Resource<Bucket>, ObjectError>> {
        self.host_calls += 1;
        if let Err(denied) = self.caller.require(&format!("connections:use:{conn_id}")) {
            return Ok(Err(ObjectError::Denied(denied)));
        }
        let span = call_span!("objects.open", airflow.conn_id = conn_id);
        match traced(span, self.capabilities.object_store.open(&self.caller, &conn_id, name.as_deref())).await {
            Ok(bucket) => Ok(Ok(CallState::open(self, Bucket(bucket))?)),
            Err(error) => Ok(Err(error.into())),
        }
    }

    async fn head(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
    ) -> wasmtime::Result<Result<Option<ObjectMeta>, ObjectError>> {
        let found = traced(call_span!("objects.head"), self.bucket(&bucket)?.head(&key)).await;
        Ok(found.map(|found| found.as_ref().map(meta)).map_err(Into::into))
    }

    async fn list(
        &mut self,
        bucket: Resource<Bucket>,
        options: ListOptions,
    ) -> wasmtime::Result<Result<Vec<ObjectMeta>, ObjectError>> {
        if options.limit == 0 || options.limit > PAGE {
            let limit = options.limit;
            return Ok(Err(ObjectError::Invalid(format!("`list-options.limit` is {limit}, and must be 1 to {PAGE}"))));
        }
        let options = capability::ListOptions {
            prefix: options.prefix,
            start_after: options.start_after,
            limit: options.limit as usize,
        };
        let page = traced(call_span!("objects.list"), self.bucket(&bucket)?.list(options)).await;
        Ok(page.map(|page| page.iter().map(meta).collect()).map_err(Into::into))
    }

    async fn get(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
        range: Option<Range>,
    ) -> wasmtime::Result<Result<Resource<Reader>, ObjectError>> {
        let (offset, length) = range.map_or((0, None), |range| (range.offset, range.length));
        match traced(call_span!("objects.get"), self.bucket(&bucket)?.get(&key, offset, length)).await {
            Ok(reader) => Ok(Ok(CallState::open(self, Reader(reader))?)),
            Err(error) => Ok(Err(error.into())),
        }
    }

    async fn put(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
        options: PutOptions,
    ) -> wasmtime::Result<Result<Resource<Writer>, ObjectError>> {
        let options = capability::PutOptions { content_type: options.content_type, if_absent: options.if_absent };
        match traced(call_span!("objects.put"), self.bucket(&bucket)?.put(&key, options)).await {
            Ok(writer) => Ok(Ok(CallState::open(self, Writer(Some(writer)))?)),
            Err(error) => Ok(Err(error.into())),
        }
    }

    async fn copy(
        &mut self,
        bucket: Resource<Bucket>,
        from: String,
        to: String,
    ) -> wasmtime::Result<Result<(), ObjectError>> {
        Ok(traced(call_span!("objects.copy"), self.bucket(&bucket)?.copy(&from, &to)).await.map_err(Into::into))
    }

    async fn delete(&mut self, bucket: Resource<Bucket>, key: String) -> wasmtime::Result<Result<(), ObjectError>> {
        Ok(traced(call_span!("objects.delete"), self.bucket(&bucket)?.delete(&key)).await.map_err(Into::into))
    }

    async fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}

impl HostReader for CallState {
    fn meta(&mut self, reader: Resource<Reader>) -> wasmtime::Result<ObjectMeta> {
        Ok(meta(self.table.get(&reader)?.0.meta()))
    }

    async fn read(&mut self, reader: Resource<Reader>, max: u32) -> wasmtime::Result<Result<Vec<u8>, ObjectError>> {
        self.host_calls += 1;
        let max = self.read_size(max);
        Ok(self.table.get_mut(&reader)?.0.read(max).await.map(Into::into).map_err(Into::into))
    }

    async fn drop(&mut self, reader: Resource<Reader>) -> wasmtime::Result<()> {
        self.table.delete(reader)?;
        Ok(())
    }
}

impl HostWriter for CallState {
    async fn write(&mut self, writer: Resource<Writer>, bytes: Vec<u8>) -> wasmtime::Result<Result<(), ObjectError>> {
        self.host_calls += 1;
        Ok(match &mut self.table.get_mut(&writer)?.0 {
            Some(writer) => writer.write(Bytes::from(bytes)).await.map_err(Into::into),
            None => Err(ObjectError::Invalid("this writer is finished: open another".to_owned())),
        })
    }

    async fn finish(&mut self, writer: Resource<Writer>) -> wasmtime::Result<Result<ObjectMeta, ObjectError>> {
        self.host_calls += 1;
        Ok(match self.table.get_mut(&writer)?.0.take() {
            Some(writer) => traced(call_span!("objects.finish"), writer.finish())
                .await
                .map(|written| meta(&written))
                .map_err(Into::into),
            None => Err(ObjectError::Invalid("this writer is finished: open another".to_owned())),
        })
    }

    async fn drop(&mut self, writer: Resource<Writer>) -> wasmtime::Result<()> {
        self.table.delete(writer)?;
        Ok(())
    }
}
