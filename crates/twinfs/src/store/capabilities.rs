//! What a store can do, declared by the store and read in one place.

/// What a store can do. The faces refuse what is not declared before the store is asked, with
/// `Unsupported` and the name of the capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "a capability is there or not")]
pub struct Capabilities {
    /// Files can be written, removed and renamed at all.
    pub write: bool,
    /// `Condition::IfAbsent` holds against every other writer.
    pub if_absent: bool,
    /// `Condition::IfVersion`, and versions in metadata.
    pub if_version: bool,
    /// `Publish::InPlace`.
    pub in_place: bool,
    /// A second open writer is refused at open, not only at commit.
    pub leases: bool,
    /// Handles that write (`wb`, `xb`).
    pub write_handles: bool,
    /// Handles that keep the content and write anywhere (`ab`, `r+b`, `w+b`).
    pub update_handles: bool,
    /// Staged uploads with an id.
    pub staged_uploads: bool,
    /// Directories exist by themselves, also when empty.
    pub directories: bool,
    /// `rename` is one step that no reader sees half done.
    pub atomic_rename: bool,
    /// `Durability::Full` is kept.
    pub durable: bool,
    /// `read_many`, `stat_many` and `write_many` do better than as many single verbs in flight: the
    /// bulk transfers hand them whole pages.
    pub bulk: bool,
    /// The largest file, in bytes, where there is a limit.
    pub max_file_bytes: Option<u64>,
}

impl Capabilities {
    /// A store that can do everything.
    #[must_use]
    pub const fn all() -> Self {
        Self {
            write: true,
            if_absent: true,
            if_version: true,
            in_place: true,
            leases: true,
            write_handles: true,
            update_handles: true,
            staged_uploads: true,
            directories: true,
            atomic_rename: true,
            durable: true,
            bulk: true,
            max_file_bytes: None,
        }
    }

    /// A store that can only be read and listed.
    #[must_use]
    pub const fn read_only() -> Self {
        Self {
            write: false,
            if_absent: false,
            if_version: false,
            in_place: false,
            leases: false,
            write_handles: false,
            update_handles: false,
            staged_uploads: false,
            directories: true,
            atomic_rename: false,
            durable: false,
            bulk: false,
            max_file_bytes: None,
        }
    }
}
