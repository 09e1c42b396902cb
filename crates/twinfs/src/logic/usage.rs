//! How much a tree holds.

use super::entries::PAGE;
use super::verbs;
use crate::error::{Operation, Result};
use crate::path::FsPath;
use crate::store::{AsyncStore, Depth, EntryKind, ListOptions, Order};

/// What a tree holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskUsage {
    /// Bytes of all files, as lengths, not as blocks.
    pub bytes: u64,
    /// Number of files.
    pub files: u64,
    /// Number of directories below the path.
    pub directories: u64,
    /// Number of links and other entries.
    pub others: u64,
}

pub(crate) async fn disk_usage<S: AsyncStore>(store: &S, path: &FsPath) -> Result<DiskUsage> {
    let options =
        ListOptions { depth: Depth::Recursive, order: Order::Unordered, metadata: true, start_after: None };
    let mut cursor = verbs::list(store, path, &options, Operation::DiskUsage).await?;
    let mut usage = DiskUsage::default();
    loop {
        let page = cursor.next_page(PAGE).await?;
        if page.is_empty() {
            return Ok(usage);
        }
        for entry in page {
            match entry.kind {
                EntryKind::File => {
                    usage.files += 1;
                    usage.bytes += entry.len().unwrap_or(0);
                }
                EntryKind::Directory => usage.directories += 1,
                _ => usage.others += 1,
            }
        }
    }
}
