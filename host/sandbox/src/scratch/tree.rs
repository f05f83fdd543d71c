//! Names: directories, files, and how a path finds them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::SystemTime;

use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;
use wasmtime_wasi::p2::{FsError, FsResult};

use super::blocks::Blocks;
use super::file::Content;
use crate::limit::LimitReached;

/// Bytes of one name.
const NAME_BYTES: usize = 255;

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// A file or a directory. It lives as long as it has a name or is open.
pub(super) struct Node {
    pub(super) id: u64,
    blocks: Arc<Blocks>,
    times: Mutex<Times>,
    pub(super) kind: Kind,
}

pub(super) enum Kind {
    File(Content),
    Directory(Directory),
}

#[derive(Default)]
pub(super) struct Directory {
    entries: Mutex<BTreeMap<String, Arc<Node>>>,
    /// What it lies in, so that it is never moved into itself: a circle would outlive the call.
    parent: Mutex<Weak<Node>>,
}

#[derive(Clone, Copy)]
pub(super) struct Times {
    pub(super) accessed: SystemTime,
    pub(super) modified: SystemTime,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where a path leads: a directory and, unless the path is the directory's own, a name in it.
pub(super) struct Place {
    pub(super) directory: Arc<Node>,
    pub(super) name: Option<String>,
}

impl Place {
    pub(super) fn node(&self) -> FsResult<Arc<Node>> {
        match &self.name {
            Some(name) => self.directory.get(name)?.ok_or_else(|| ErrorCode::NoEntry.into()),
            None => Ok(self.directory.clone()),
        }
    }

    /// For what needs a name, such as making a file.
    pub(super) fn name(&self) -> FsResult<&str> {
        self.name.as_deref().ok_or_else(|| ErrorCode::Invalid.into())
    }
}

impl Node {
    fn new(blocks: &Arc<Blocks>, kind: Kind) -> Result<Arc<Self>, LimitReached> {
        blocks.add_node()?;
        let now = SystemTime::now();
        let times = Mutex::new(Times { accessed: now, modified: now });
        Ok(Arc::new(Self { id: NEXT_ID.fetch_add(1, Ordering::Relaxed), blocks: blocks.clone(), times, kind }))
    }

    pub(super) fn directory(blocks: &Arc<Blocks>) -> Result<Arc<Self>, LimitReached> {
        Self::new(blocks, Kind::Directory(Directory::default()))
    }

    /// A new directory for this one's file system.
    pub(super) fn sibling_directory(&self) -> FsResult<Arc<Self>> {
        Self::directory(&self.blocks).map_err(FsError::trap)
    }

    /// A new file for this one's file system.
    pub(super) fn sibling_file(&self) -> FsResult<Arc<Self>> {
        Self::new(&self.blocks, Kind::File(Content::new(self.blocks.clone()))).map_err(FsError::trap)
    }

    pub(super) fn is_directory(&self) -> bool {
        matches!(self.kind, Kind::Directory(_))
    }

    pub(super) fn times(&self) -> MutexGuard<'_, Times> {
        lock(&self.times)
    }

    fn touch(&self) {
        self.times().modified = SystemTime::now();
    }

    pub(super) fn content(&self) -> FsResult<&Content> {
        match &self.kind {
            Kind::File(content) => Ok(content),
            Kind::Directory(_) => Err(ErrorCode::IsDirectory.into()),
        }
    }

    fn as_directory(&self) -> Result<&Directory, ErrorCode> {
        match &self.kind {
            Kind::Directory(directory) => Ok(directory),
            Kind::File(_) => Err(ErrorCode::NotDirectory),
        }
    }

    fn get(&self, name: &str) -> FsResult<Option<Arc<Self>>> {
        Ok(lock(&self.as_directory()?.entries).get(name).cloned())
    }

    /// Follows a path from this directory. It may not lead out of it, not even to come back.
    pub(super) fn find(self: &Arc<Self>, path: &str) -> FsResult<Place> {
        self.as_directory()?;
        let mut way: Vec<Arc<Self>> = vec![self.clone()];
        let mut name = None;
        for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
            if part.len() > NAME_BYTES {
                return Err(ErrorCode::NameTooLong.into());
            }
            if let (Some(name), Some(directory)) = (name.take(), way.last()) {
                let next = directory.get(name)?.ok_or(ErrorCode::NoEntry)?;
                next.as_directory()?;
                way.push(next);
            }
            if part == ".." {
                way.pop();
            } else {
                name = Some(part);
            }
            if way.is_empty() {
                return Err(ErrorCode::NotPermitted.into());
            }
        }
        if path.starts_with('/') {
            return Err(ErrorCode::NotPermitted.into());
        }
        let directory = way.pop().ok_or(ErrorCode::NotPermitted)?;
        Ok(Place { directory, name: name.map(str::to_owned) })
    }

    /// Gives `node` a name in this directory, which must be free.
    pub(super) fn insert(self: &Arc<Self>, name: &str, node: Arc<Self>) -> Result<(), ErrorCode> {
        let directory = self.as_directory()?;
        match lock(&directory.entries).entry(name.to_owned()) {
            Entry::Occupied(_) => return Err(ErrorCode::Exist),
            Entry::Vacant(vacant) => {
                if let Kind::Directory(inner) = &node.kind {
                    *lock(&inner.parent) = Arc::downgrade(self);
                }
                vacant.insert(node);
            }
        }
        self.touch();
        Ok(())
    }

    pub(super) fn remove_file(&self, name: &str) -> FsResult<()> {
        self.remove(name, |node| if node.is_directory() { Err(ErrorCode::IsDirectory) } else { Ok(()) })
    }

    pub(super) fn remove_directory(&self, name: &str) -> FsResult<()> {
        self.remove(name, |node| match &node.kind {
            Kind::File(_) => Err(ErrorCode::NotDirectory),
            Kind::Directory(inner) if !lock(&inner.entries).is_empty() => Err(ErrorCode::NotEmpty),
            Kind::Directory(_) => Ok(()),
        })
    }

    fn remove(&self, name: &str, check: impl FnOnce(&Self) -> Result<(), ErrorCode>) -> FsResult<()> {
        let mut entries = lock(&self.as_directory()?.entries);
        check(entries.get(name).ok_or(ErrorCode::NoEntry)?)?;
        let removed = entries.remove(name);
        drop(entries);
        // Outside of the lock: its blocks are given back here.
        drop(removed);
        self.touch();
        Ok(())
    }

    /// Moves what is at `from` to `to`, over an old file or an empty directory there.
    pub(super) fn rename(from: &Place, to: &Place) -> FsResult<()> {
        let (old_name, new_name) = (from.name()?, to.name()?);
        let node = from.node()?;
        if node.contains(&to.directory) {
            return Err(ErrorCode::Invalid.into());
        }
        if let Some(target) = to.directory.get(new_name)? {
            if Arc::ptr_eq(&target, &node) {
                return Ok(());
            }
            match (node.is_directory(), target.is_directory()) {
                (true, true) => to.directory.remove_directory(new_name)?,
                (false, false) => to.directory.remove_file(new_name)?,
                (true, false) => return Err(ErrorCode::NotDirectory.into()),
                (false, true) => return Err(ErrorCode::IsDirectory.into()),
            }
        }
        lock(&from.directory.as_directory()?.entries).remove(old_name);
        from.directory.touch();
        Ok(to.directory.insert(new_name, node)?)
    }

    /// Whether `other` is this node or lies below it.
    fn contains(self: &Arc<Self>, other: &Arc<Self>) -> bool {
        let mut next = Some(other.clone());
        while let Some(node) = next {
            if Arc::ptr_eq(self, &node) {
                return true;
            }
            next = match &node.kind {
                Kind::Directory(directory) => lock(&directory.parent).upgrade(),
                Kind::File(_) => None,
            };
        }
        false
    }

    /// The entry that follows `after` in the order of names. A listing keeps no more than the last name, so that many open
    /// listings of a large directory take no memory.
    pub(super) fn entry_after(&self, after: Option<&str>) -> FsResult<Option<(String, Arc<Self>)>> {
        let entries = lock(&self.as_directory()?.entries);
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        Ok(entries.range::<str, _>((start, Bound::Unbounded)).next().map(|(name, node)| (name.clone(), node.clone())))
    }
}

impl Drop for Node {
    /// Level by level: dropping a deep tree from within would go as deep on the host's stack.
    fn drop(&mut self) {
        self.blocks.remove_node();
        let mut pending = Vec::new();
        take_entries(&mut self.kind, &mut pending);
        while let Some(node) = pending.pop() {
            if let Some(mut node) = Arc::into_inner(node) {
                take_entries(&mut node.kind, &mut pending);
            }
        }
    }
}

fn take_entries(kind: &mut Kind, pending: &mut Vec<Arc<Node>>) {
    if let Kind::Directory(directory) = kind {
        let entries = directory.entries.get_mut().unwrap_or_else(PoisonError::into_inner);
        pending.extend(std::mem::take(entries).into_values());
    }
}

#[cfg(test)]
mod tests {
    use super::super::blocks::NODE_BYTES;
    use super::*;

    fn root() -> Arc<Node> {
        root_of(64 << 20)
    }

    fn root_of(limit: u64) -> Arc<Node> {
        Node::directory(&Blocks::new(std::env::temp_dir().into(), limit)).unwrap()
    }

    fn make(root: &Arc<Node>, path: &str, node: Arc<Node>) {
        let place = root.find(path).unwrap();
        place.directory.insert(place.name().unwrap(), node).unwrap();
    }

    fn code<T>(result: FsResult<T>) -> ErrorCode {
        result.err().unwrap().downcast().unwrap()
    }

    #[test]
    fn paths_stay_below_where_they_start() {
        let root = root();
        make(&root, "a", root.sibling_directory().unwrap());
        make(&root, "a/b", root.sibling_directory().unwrap());
        make(&root, "a/f", root.sibling_file().unwrap());
        assert!(root.find("a/b/../f").unwrap().node().is_ok());
        assert!(root.find("./a//b/").unwrap().node().is_ok());
        assert_eq!(code(root.find("..")), ErrorCode::NotPermitted);
        assert_eq!(code(root.find("a/../../a")), ErrorCode::NotPermitted);
        assert_eq!(code(root.find("/a")), ErrorCode::NotPermitted);
        assert_eq!(code(root.find("a/f/x")), ErrorCode::NotDirectory);
        assert_eq!(code(root.find("a/none/x")), ErrorCode::NoEntry);
    }

    #[test]
    fn a_directory_is_never_moved_into_itself() {
        let root = root();
        make(&root, "a", root.sibling_directory().unwrap());
        make(&root, "a/b", root.sibling_directory().unwrap());
        let rename = |from: &str, to: &str| Node::rename(&root.find(from).unwrap(), &root.find(to).unwrap());
        assert_eq!(code(rename("a", "a/c")), ErrorCode::Invalid);
        assert_eq!(code(rename("a", "a/b/c")), ErrorCode::Invalid);
        rename("a/b", "b").unwrap();
        rename("a", "b/a").unwrap();
        assert_eq!(code(rename("b", "b/a/b")), ErrorCode::Invalid);
    }

    #[test]
    fn a_deep_tree_goes_without_a_deep_stack() {
        const DEPTH: u64 = 50_000;
        let root = root_of((DEPTH + 1) * NODE_BYTES);
        let mut inner = root.clone();
        for _ in 0..DEPTH {
            let next = root.sibling_directory().unwrap();
            inner.insert("d", next.clone()).unwrap();
            inner = next;
        }
        drop(inner);
        drop(root);
    }
}
