//! `wasi:filesystem`, answered by the scratch folder alone.
//!
//! The generated traits name wasmtime's own descriptor type. It is only the label of an index here: what lies at the index
//! is ours.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::clocks::wall_clock::Datetime;
use wasmtime_wasi::p2::bindings::filesystem::preopens;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    self, Advice, Descriptor, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry, DirectoryEntryStream,
    ErrorCode, HostDescriptor, HostDirectoryEntryStream, MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsError, FsResult};
use wasmtime_wasi::runtime::spawn_blocking;

use super::blocks::AllocateError;
use super::file::Content;
use super::streams::{Reader, Writer};
use super::tree::{Kind, Node, Place};
use crate::run::state::CallState;

/// Bytes of one `descriptor.read`.
const READ_BYTES: u64 = 64 << 10;

/// An open file or directory.
struct Open {
    node: Arc<Node>,
    flags: DescriptorFlags,
}

/// A listing, by the name that it has come to.
struct Listing {
    node: Arc<Node>,
    last: Option<String>,
}

fn failed(error: AllocateError) -> FsError {
    match error {
        AllocateError::Limit(limit) => FsError::trap(limit),
        AllocateError::Io(error) => error.into(),
    }
}

impl CallState {
    fn opened(&self, descriptor: &Resource<Descriptor>) -> FsResult<&Open> {
        self.table.get(&Resource::<Open>::new_borrow(descriptor.rep())).map_err(FsError::trap)
    }

    fn node(&self, descriptor: &Resource<Descriptor>) -> FsResult<Arc<Node>> {
        Ok(self.opened(descriptor)?.node.clone())
    }

    fn place(&self, descriptor: &Resource<Descriptor>, path: &str) -> FsResult<Place> {
        self.opened(descriptor)?.node.find(path)
    }

    fn writable(&self, descriptor: &Resource<Descriptor>) -> FsResult<Arc<Node>> {
        let open = self.opened(descriptor)?;
        open.node.content()?;
        if open.flags.contains(DescriptorFlags::WRITE) {
            Ok(open.node.clone())
        } else {
            Err(ErrorCode::BadDescriptor.into())
        }
    }

    fn open_node(&mut self, node: Arc<Node>, flags: DescriptorFlags) -> FsResult<Resource<Descriptor>> {
        let open = self.open(Open { node, flags }).map_err(FsError::trap)?;
        Ok(Resource::new_own(open.rep()))
    }

    fn open_writer(&mut self, node: Arc<Node>, position: Option<u64>) -> FsResult<Resource<DynOutputStream>> {
        let writer: DynOutputStream = Box::new(Writer::new(node, position));
        self.open(writer).map_err(FsError::trap)
    }
}

/// Works on a file's content where blocking is allowed.
async fn on_content<T: Send + 'static>(
    node: Arc<Node>,
    work: impl FnOnce(&Content) -> Result<T, AllocateError> + Send + 'static,
) -> FsResult<T> {
    node.content()?;
    let done = spawn_blocking(move || match &node.kind {
        Kind::File(content) => work(content),
        Kind::Directory(_) => Err(AllocateError::Io(std::io::ErrorKind::IsADirectory.into())),
    });
    done.await.map_err(failed)
}

fn kind(node: &Node) -> DescriptorType {
    if node.is_directory() { DescriptorType::Directory } else { DescriptorType::RegularFile }
}

fn datetime(time: SystemTime) -> Option<Datetime> {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(Datetime { seconds: since.as_secs(), nanoseconds: since.subsec_nanos() })
}

fn stat(node: &Node) -> DescriptorStat {
    let size = match &node.kind {
        Kind::File(content) => content.length(),
        Kind::Directory(_) => 0,
    };
    let times = *node.times();
    DescriptorStat {
        type_: kind(node),
        link_count: 1,
        size,
        data_access_timestamp: datetime(times.accessed),
        data_modification_timestamp: datetime(times.modified),
        status_change_timestamp: datetime(times.modified),
    }
}

fn set_times(node: &Node, accessed: NewTimestamp, modified: NewTimestamp) -> FsResult<()> {
    fn time(new: NewTimestamp) -> FsResult<Option<SystemTime>> {
        match new {
            NewTimestamp::NoChange => Ok(None),
            NewTimestamp::Now => Ok(Some(SystemTime::now())),
            NewTimestamp::Timestamp(at) => {
                let since = Duration::from_secs(at.seconds).checked_add(Duration::from_nanos(at.nanoseconds.into()));
                let time = since.and_then(|since| SystemTime::UNIX_EPOCH.checked_add(since));
                Ok(Some(time.ok_or(ErrorCode::Overflow)?))
            }
        }
    }
    let (accessed, modified) = (time(accessed)?, time(modified)?);
    let mut times = node.times();
    times.accessed = accessed.unwrap_or(times.accessed);
    times.modified = modified.unwrap_or(times.modified);
    Ok(())
}

impl preopens::Host for CallState {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        let node = self.scratch.root()?;
        let flags = DescriptorFlags::READ | DescriptorFlags::MUTATE_DIRECTORY;
        let open = self.open(Open { node, flags })?;
        Ok(vec![(Resource::new_own(open.rep()), "/".to_owned())])
    }
}

impl types::Host for CallState {
    fn convert_error_code(&mut self, error: FsError) -> wasmtime::Result<ErrorCode> {
        error.downcast()
    }

    fn filesystem_error_code(&mut self, error: Resource<wasmtime::Error>) -> wasmtime::Result<Option<ErrorCode>> {
        Ok(self.table.get(&error)?.downcast_ref::<std::io::Error>().map(ErrorCode::from))
    }
}

impl HostDescriptor for CallState {
    async fn advise(&mut self, _: Resource<Descriptor>, _: u64, _: u64, _: Advice) -> FsResult<()> {
        Ok(())
    }

    /// Nothing here outlives the call, so there is nothing to be made durable.
    async fn sync(&mut self, _: Resource<Descriptor>) -> FsResult<()> {
        Ok(())
    }

    async fn sync_data(&mut self, _: Resource<Descriptor>) -> FsResult<()> {
        Ok(())
    }

    async fn get_flags(&mut self, descriptor: Resource<Descriptor>) -> FsResult<DescriptorFlags> {
        Ok(self.opened(&descriptor)?.flags)
    }

    async fn get_type(&mut self, descriptor: Resource<Descriptor>) -> FsResult<DescriptorType> {
        Ok(kind(&self.opened(&descriptor)?.node))
    }

    async fn set_size(&mut self, descriptor: Resource<Descriptor>, size: u64) -> FsResult<()> {
        let node = self.writable(&descriptor)?;
        on_content(node, move |content| content.set_length(size)).await
    }

    async fn set_times(
        &mut self,
        descriptor: Resource<Descriptor>,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FsResult<()> {
        set_times(&self.opened(&descriptor)?.node, accessed, modified)
    }

    async fn set_times_at(
        &mut self,
        descriptor: Resource<Descriptor>,
        _: PathFlags,
        path: String,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FsResult<()> {
        set_times(&*self.place(&descriptor, &path)?.node()?, accessed, modified)
    }

    async fn read(&mut self, descriptor: Resource<Descriptor>, length: u64, offset: u64) -> FsResult<(Vec<u8>, bool)> {
        let node = self.node(&descriptor)?;
        let size = length.min(READ_BYTES);
        let bytes =
            on_content(node, move |content| Ok(content.read(offset, usize::try_from(size).unwrap_or_default())?))
                .await?;
        let at_end = bytes.is_empty() && length > 0;
        Ok((bytes, at_end))
    }

    async fn write(&mut self, descriptor: Resource<Descriptor>, bytes: Vec<u8>, offset: u64) -> FsResult<u64> {
        let (node, length) = (self.writable(&descriptor)?, bytes.len() as u64);
        on_content(node, move |content| content.write(Some(offset), &bytes)).await?;
        Ok(length)
    }

    async fn read_directory(&mut self, descriptor: Resource<Descriptor>) -> FsResult<Resource<DirectoryEntryStream>> {
        let node = self.node(&descriptor)?;
        node.entry_after(None)?;
        let listing = self.open(Listing { node, last: None }).map_err(FsError::trap)?;
        Ok(Resource::new_own(listing.rep()))
    }

    async fn create_directory_at(&mut self, descriptor: Resource<Descriptor>, path: String) -> FsResult<()> {
        let place = self.place(&descriptor, &path)?;
        let Some(name) = &place.name else { return Err(ErrorCode::Exist.into()) };
        place.directory.insert(name, place.directory.sibling_directory()?)?;
        Ok(())
    }

    async fn stat(&mut self, descriptor: Resource<Descriptor>) -> FsResult<DescriptorStat> {
        Ok(stat(&self.opened(&descriptor)?.node))
    }

    async fn stat_at(
        &mut self,
        descriptor: Resource<Descriptor>,
        _: PathFlags,
        path: String,
    ) -> FsResult<DescriptorStat> {
        Ok(stat(&*self.place(&descriptor, &path)?.node()?))
    }

    /// A second name would be memory that no quota counts.
    async fn link_at(
        &mut self,
        _: Resource<Descriptor>,
        _: PathFlags,
        _: String,
        _: Resource<Descriptor>,
        _: String,
    ) -> FsResult<()> {
        Err(ErrorCode::Unsupported.into())
    }

    async fn open_at(
        &mut self,
        descriptor: Resource<Descriptor>,
        _: PathFlags,
        path: String,
        open: OpenFlags,
        flags: DescriptorFlags,
    ) -> FsResult<Resource<Descriptor>> {
        let place = self.place(&descriptor, &path)?;
        let node = match place.node() {
            Ok(_) if open.contains(OpenFlags::CREATE | OpenFlags::EXCLUSIVE) => return Err(ErrorCode::Exist.into()),
            Ok(node) => node,
            Err(error)
                if matches!(error.downcast_ref(), Some(ErrorCode::NoEntry)) && open.contains(OpenFlags::CREATE) =>
            {
                let file = place.directory.sibling_file()?;
                place.directory.insert(place.name()?, file.clone())?;
                file
            }
            Err(error) => return Err(error),
        };
        if node.is_directory() && flags.contains(DescriptorFlags::WRITE) {
            return Err(ErrorCode::IsDirectory.into());
        }
        if !node.is_directory() && open.contains(OpenFlags::DIRECTORY) {
            return Err(ErrorCode::NotDirectory.into());
        }
        if open.contains(OpenFlags::TRUNCATE) {
            on_content(node.clone(), |content| content.set_length(0)).await?;
        }
        self.open_node(node, flags)
    }

    async fn readlink_at(&mut self, _: Resource<Descriptor>, _: String) -> FsResult<String> {
        Err(ErrorCode::Invalid.into())
    }

    async fn symlink_at(&mut self, _: Resource<Descriptor>, _: String, _: String) -> FsResult<()> {
        Err(ErrorCode::Unsupported.into())
    }

    async fn remove_directory_at(&mut self, descriptor: Resource<Descriptor>, path: String) -> FsResult<()> {
        let place = self.place(&descriptor, &path)?;
        place.directory.remove_directory(place.name()?)?;
        Ok(())
    }

    async fn unlink_file_at(&mut self, descriptor: Resource<Descriptor>, path: String) -> FsResult<()> {
        let place = self.place(&descriptor, &path)?;
        place.directory.remove_file(place.name()?)?;
        Ok(())
    }

    async fn rename_at(
        &mut self,
        descriptor: Resource<Descriptor>,
        old_path: String,
        new_descriptor: Resource<Descriptor>,
        new_path: String,
    ) -> FsResult<()> {
        Node::rename(&self.place(&descriptor, &old_path)?, &self.place(&new_descriptor, &new_path)?)
    }

    fn read_via_stream(&mut self, descriptor: Resource<Descriptor>, offset: u64) -> FsResult<Resource<DynInputStream>> {
        let node = self.node(&descriptor)?;
        node.content()?;
        let reader: DynInputStream = Box::new(Reader::new(node, offset));
        self.open(reader).map_err(FsError::trap)
    }

    fn write_via_stream(
        &mut self,
        descriptor: Resource<Descriptor>,
        offset: u64,
    ) -> FsResult<Resource<DynOutputStream>> {
        let node = self.writable(&descriptor)?;
        self.open_writer(node, Some(offset))
    }

    fn append_via_stream(&mut self, descriptor: Resource<Descriptor>) -> FsResult<Resource<DynOutputStream>> {
        let node = self.writable(&descriptor)?;
        self.open_writer(node, None)
    }

    async fn is_same_object(
        &mut self,
        one: Resource<Descriptor>,
        other: Resource<Descriptor>,
    ) -> wasmtime::Result<bool> {
        let open = |descriptor: &Resource<Descriptor>| Resource::<Open>::new_borrow(descriptor.rep());
        Ok(Arc::ptr_eq(&self.table.get(&open(&one))?.node, &self.table.get(&open(&other))?.node))
    }

    async fn metadata_hash(&mut self, descriptor: Resource<Descriptor>) -> FsResult<MetadataHashValue> {
        Ok(MetadataHashValue { lower: self.opened(&descriptor)?.node.id, upper: 0 })
    }

    async fn metadata_hash_at(
        &mut self,
        descriptor: Resource<Descriptor>,
        _: PathFlags,
        path: String,
    ) -> FsResult<MetadataHashValue> {
        Ok(MetadataHashValue { lower: self.place(&descriptor, &path)?.node()?.id, upper: 0 })
    }

    fn drop(&mut self, descriptor: Resource<Descriptor>) -> wasmtime::Result<()> {
        self.table.delete(Resource::<Open>::new_own(descriptor.rep()))?;
        Ok(())
    }
}

impl HostDirectoryEntryStream for CallState {
    async fn read_directory_entry(
        &mut self,
        stream: Resource<DirectoryEntryStream>,
    ) -> FsResult<Option<DirectoryEntry>> {
        let listing = self.table.get_mut(&Resource::<Listing>::new_borrow(stream.rep())).map_err(FsError::trap)?;
        let Some((name, node)) = listing.node.entry_after(listing.last.as_deref())? else { return Ok(None) };
        listing.last = Some(name.clone());
        Ok(Some(DirectoryEntry { type_: kind(&node), name }))
    }

    fn drop(&mut self, stream: Resource<DirectoryEntryStream>) -> wasmtime::Result<()> {
        self.table.delete(Resource::<Listing>::new_own(stream.rep()))?;
        Ok(())
    }
}
