//! The verb table: every verb of the store traits once, for the macros that write the adapters.
//!
//! A new verb is a method in the two traits and a line here; the compiler refuses an adapter
//! that disagrees with the traits. Every argument is passed as `&T` with `T:` [`Hop`].

/// Calls a macro with the table of store verbs: those that give a value, a file, a listing.
macro_rules! for_each_store_verb {
    ($callback:ident $($context:tt)*) => {
        $callback! { $($context)*
            values {
                stat(path: FsPath, options: StatOptions) -> Metadata;
                read(path: FsPath, options: ReadOptions) -> Bytes;
                read_many(paths: [FsPath], options: ReadOptions) -> Vec<Result<Bytes>>;
                stat_many(paths: [FsPath], options: StatOptions) -> Vec<Result<Metadata>>;
                write(path: FsPath, data: Data<'_>, options: WriteOptions) -> Metadata;
                write_parts(path: FsPath, parts: [Data<'_>], options: WriteOptions) -> Metadata;
                write_many(items: [WriteItem<'_>], options: WriteOptions) -> Vec<Result<Metadata>>;
                create_dir(path: FsPath, options: CreateDirOptions) -> ();
                remove(path: FsPath, options: RemoveOptions) -> ();
                remove_dir(path: FsPath, options: RemoveOptions) -> ();
                remove_all(path: FsPath, options: RemoveOptions) -> ();
                rename(from: FsPath, to: FsPath, options: MoveOptions) -> ();
                copy(from: FsPath, to: FsPath, options: MoveOptions) -> Metadata;
                stage(options: StageOptions) -> StagedId;
                write_staged(target: StagedTarget, offset: u64, data: Data<'_>) -> StagedId;
                publish(id: StagedId, path: FsPath, options: WriteOptions) -> Metadata;
                publish_many(items: [PublishItem], options: WriteOptions) -> Vec<Result<Metadata>>;
                discard(id: StagedId) -> ();
                list_staged() -> Vec<Staged>;
            }
            files {
                open(path: FsPath, options: OpenOptions);
                reopen(id: StagedId);
            }
        }
    };
}

/// Calls a macro with the table of file verbs that give a value; `read_at` borrows a buffer and
/// is written by hand in each adapter.
macro_rules! for_each_file_verb {
    ($callback:ident $($context:tt)*) => {
        $callback! { $($context)*
            read_bytes(offset: u64, len: usize) -> Bytes;
            len() -> u64;
            metadata() -> Metadata;
            set_len(len: u64) -> ();
            flush() -> ();
            commit() -> Metadata;
            abort() -> ();
        }
    };
}

pub(crate) use {for_each_file_verb, for_each_store_verb};

use super::{
    CreateDirOptions, Data, ListOptions, MoveOptions, OpenOptions, PublishItem, ReadOptions, RemoveOptions,
    StageOptions, StagedId, StagedTarget, StatOptions, WriteItem, WriteOptions,
};
use crate::path::FsPath;

/// An argument that can hop to another thread: kept as something owned, lent again over there.
pub(crate) trait Hop {
    type Owned: Send + Sync + 'static;
    fn to_hop(&self) -> Self::Owned;
    fn lend(owned: &Self::Owned) -> &Self;
}

macro_rules! hop_by_clone {
    ($($ty:ty),*) => {$(
        impl Hop for $ty {
            type Owned = $ty;
            fn to_hop(&self) -> Self { self.clone() }
            fn lend(owned: &Self) -> &Self { owned }
        }
    )*};
}

hop_by_clone!(
    FsPath,
    StagedId,
    StatOptions,
    ReadOptions,
    WriteOptions,
    OpenOptions,
    ListOptions,
    CreateDirOptions,
    RemoveOptions,
    MoveOptions,
    StageOptions,
    StagedTarget,
    u64
);

macro_rules! hop_by_vec {
    ($($ty:ty),*) => {$(
        impl Hop for [$ty] {
            type Owned = Vec<$ty>;
            fn to_hop(&self) -> Vec<$ty> { self.to_vec() }
            fn lend(owned: &Vec<$ty>) -> &Self { owned }
        }
    )*};
}

hop_by_vec!(FsPath, PublishItem);

impl<'data> Hop for Data<'data> {
    type Owned = Data<'static>;
    fn to_hop(&self) -> Data<'static> {
        self.to_owned_data()
    }
    fn lend<'a>(owned: &'a Data<'static>) -> &'a Data<'data> {
        owned
    }
}

impl<'data> Hop for [Data<'data>] {
    type Owned = Vec<Data<'static>>;
    fn to_hop(&self) -> Vec<Data<'static>> {
        self.iter().map(Data::to_owned_data).collect()
    }
    fn lend<'a>(owned: &'a Vec<Data<'static>>) -> &'a [Data<'data>] {
        owned
    }
}

impl<'data> Hop for [WriteItem<'data>] {
    type Owned = Vec<WriteItem<'static>>;
    fn to_hop(&self) -> Vec<WriteItem<'static>> {
        self.iter()
            .map(|item| WriteItem { path: item.path.clone(), data: item.data.to_owned_data() })
            .collect()
    }
    fn lend<'a>(owned: &'a Vec<WriteItem<'static>>) -> &'a [WriteItem<'data>] {
        owned
    }
}
