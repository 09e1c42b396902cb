//! The operations and how they are made up.

use proptest::prelude::*;
use twinfs::{ByteRange, Depth, Existing, Lease, Mode, Parents, Publish};

/// Few paths, so that they meet often; files and directories change places.
pub(crate) const PATHS: [&str; 9] = ["a", "b", "a-b", "d", "d/a", "d/b", "d/e", "d/e/a", "a/x"];
/// How many handles are open at a time.
pub(crate) const HANDLES: usize = 2;

/// A condition of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    Anything,
    Absent,
    /// The version the file has now.
    Current,
    /// A version that no file has.
    Stale,
}

#[derive(Clone, Debug)]
pub(crate) enum Operation {
    Write { path: &'static str, data: Vec<u8>, on: On, parents: Parents },
    Read { path: &'static str, range: ByteRange },
    Stat { path: &'static str },
    List { path: &'static str, depth: Depth },
    CreateDir { path: &'static str, parents: Parents, existing: Existing },
    Remove { path: &'static str },
    RemoveDir { path: &'static str },
    RemoveAll { path: &'static str },
    Rename { from: &'static str, to: &'static str, absent: bool },
    Copy { from: &'static str, to: &'static str, absent: bool },
    Open { handle: usize, path: &'static str, mode: Mode, publish: Publish, lease: Lease },
    HandleWrite { handle: usize, offset: u64, data: Vec<u8> },
    HandleRead { handle: usize },
    HandleSetLen { handle: usize, len: u64 },
    HandleCommit { handle: usize },
    HandleAbort { handle: usize },
    HandleDrop { handle: usize },
}

fn path() -> impl Strategy<Value = &'static str> {
    // One of them more often, so that writers meet.
    prop_oneof![1 => Just("a"), 2 => prop::sample::select(&PATHS[..])]
}

/// Handles mostly stand on one path: what two writers do to each other is what goes wrong.
fn path_of_handle() -> impl Strategy<Value = &'static str> {
    prop_oneof![3 => Just("a"), 2 => path()]
}

fn data() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(b'a'..=b'z', 1..6)
}

fn parents() -> impl Strategy<Value = Parents> {
    prop_oneof![3 => Just(Parents::Create), 1 => Just(Parents::Require)]
}

fn mode() -> impl Strategy<Value = Mode> {
    let modes = [Mode::Read, Mode::Write, Mode::Create, Mode::Append, Mode::Update, Mode::Overwrite];
    prop::sample::select(modes.to_vec())
}

fn range() -> impl Strategy<Value = ByteRange> {
    prop_oneof![
        Just(ByteRange::Full),
        (0..8_u64).prop_map(ByteRange::From),
        (0..8_u64).prop_map(ByteRange::Suffix),
        (0..8_u64, 0..8_u64).prop_map(|(start, end)| ByteRange::Bounded(start, end)),
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    let on = || prop_oneof![4 => Just(On::Anything), 1 => Just(On::Absent), 1 => Just(On::Current), 1 => Just(On::Stale)];
    let depth = || prop_oneof![Just(Depth::Children), Just(Depth::Recursive)];
    let existing = || prop_oneof![Just(Existing::Keep), Just(Existing::Refuse)];
    let publish = || prop_oneof![2 => Just(Publish::Staged), 1 => Just(Publish::InPlace)];
    let lease = || prop_oneof![1 => Just(Lease::Hold), 2 => Just(Lease::Off)];
    let handle = || 0..HANDLES;
    prop_oneof![
        4 => (path(), data(), on(), parents())
            .prop_map(|(path, data, on, parents)| Operation::Write { path, data, on, parents }),
        1 => (path(), range()).prop_map(|(path, range)| Operation::Read { path, range }),
        1 => path().prop_map(|path| Operation::Stat { path }),
        1 => (path(), depth()).prop_map(|(path, depth)| Operation::List { path, depth }),
        2 => (path(), parents(), existing())
            .prop_map(|(path, parents, existing)| Operation::CreateDir { path, parents, existing }),
        2 => path().prop_map(|path| Operation::Remove { path }),
        1 => path().prop_map(|path| Operation::RemoveDir { path }),
        1 => path().prop_map(|path| Operation::RemoveAll { path }),
        2 => (path(), path(), any::<bool>())
            .prop_map(|(from, to, absent)| Operation::Rename { from, to, absent }),
        2 => (path(), path(), any::<bool>()).prop_map(|(from, to, absent)| Operation::Copy { from, to, absent }),
        6 => (handle(), path_of_handle(), mode(), publish(), lease())
            .prop_map(|(handle, path, mode, publish, lease)| Operation::Open { handle, path, mode, publish, lease }),
        4 => (handle(), 0..12_u64, data())
            .prop_map(|(handle, offset, data)| Operation::HandleWrite { handle, offset, data }),
        2 => handle().prop_map(|handle| Operation::HandleRead { handle }),
        2 => (handle(), 0..12_u64).prop_map(|(handle, len)| Operation::HandleSetLen { handle, len }),
        4 => handle().prop_map(|handle| Operation::HandleCommit { handle }),
        1 => handle().prop_map(|handle| Operation::HandleAbort { handle }),
        1 => handle().prop_map(|handle| Operation::HandleDrop { handle }),
    ]
}

/// Lists of 30 operations; shorter ones come from shrinking.
pub(crate) fn operations() -> impl Strategy<Value = Vec<Operation>> {
    prop::collection::vec(operation(), 1..=30)
}
