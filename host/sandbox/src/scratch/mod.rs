//! The scratch folder of a try: a file system of its own, whose names are in memory and whose bytes lie in one unnamed file.
//!
//! A real folder, opened to the guest, would have been less code. But a quota over a folder can only be measured now and then
//! (and a file that is open has bytes after its name is gone), thousands of small files would take the host's
//! descriptors, and every path of the guest's would be resolved among the host's own files, where each escape that is ever
//! found leads to them. Here the quota is exact, a try has one descriptor, no path leads anywhere else, and the system
//! takes back the room by itself however the process ends. A try that opens no file costs nothing.
//!
//! There are no links of either kind, no permissions, and nothing that outlives the call.

mod blocks;
mod file;
mod host;
mod streams;
mod tree;

use std::path::Path;
use std::sync::Arc;

use blocks::Blocks;
use tree::Node;

/// The scratch folder of one call, made when the guest first asks for it.
pub(crate) struct Scratch {
    folder: Arc<Path>,
    limit: u64,
    root: Option<Arc<Node>>,
}

impl Scratch {
    /// `folder` is where the host keeps the bytes of all scratch folders.
    pub(crate) fn new(folder: Arc<Path>, limit: u64) -> Self {
        Self { folder, limit, root: None }
    }

    /// The root, with an empty `/tmp` in it.
    fn root(&mut self) -> wasmtime::Result<Arc<Node>> {
        if let Some(root) = &self.root {
            return Ok(root.clone());
        }
        let blocks = Blocks::new(self.folder.clone(), self.limit);
        let root = Node::directory(&blocks)?;
        root.insert("tmp", Node::directory(&blocks)?)?;
        self.root = Some(root.clone());
        Ok(root)
    }
}
