//! A face of a store, driven operation by operation.

use std::collections::BTreeMap;

use twinfs::{
    Condition, CreateDirOptions, DynStore, Error, File, Fs, ListOptions, MoveOptions, OpenOptions,
    ReadOptions, Result, StatOptions, Version, WriteOptions, blocking,
};

use super::operation::{HANDLES, On, Operation};
use super::plain::Answer;

/// A file system on one of the faces.
enum Either {
    Sync(blocking::Fs),
    Async(Fs),
}

enum Handle {
    Sync(blocking::File),
    Async(File),
}

pub(crate) struct Face {
    fs: Either,
    handles: [Option<Handle>; HANDLES],
}

/// A call on whichever face it is.
macro_rules! call {
    ($either:expr, $fs:ident => $call:expr) => {
        match $either {
            Either::Sync($fs) => $call,
            Either::Async($fs) => smol::block_on($call),
        }
    };
}

macro_rules! call_handle {
    ($handle:expr, $file:ident => $call:expr) => {
        match $handle {
            Handle::Sync($file) => $call,
            Handle::Async($file) => smol::block_on($call),
        }
    };
}

fn moving(absent: bool) -> MoveOptions {
    let condition = if absent { Condition::IfAbsent } else { Condition::None };
    MoveOptions { condition, ..MoveOptions::default() }
}

impl Face {
    pub(crate) fn sync(fs: blocking::Fs) -> Self {
        Self { fs: Either::Sync(fs), handles: Default::default() }
    }

    pub(crate) fn asynchronous(fs: Fs<DynStore>) -> Self {
        Self { fs: Either::Async(fs), handles: Default::default() }
    }

    /// Does the operation.
    pub(crate) fn apply(&mut self, operation: &Operation) -> Answer {
        self.try_apply(operation).unwrap_or_else(|error: Error| Answer::Refused(error.kind()))
    }

    fn try_apply(&mut self, operation: &Operation) -> Result<Answer> {
        let fs = &self.fs;
        match operation {
            Operation::Write { path, data, on, parents } => {
                let condition = self.condition(path, *on);
                let options = WriteOptions { condition, parents: *parents, ..WriteOptions::default() };
                let metadata = call!(fs, fs => fs.write_with(*path, data, &options))?;
                Ok(Answer::Length(metadata.len))
            }
            Operation::Read { path, range } => {
                let options = ReadOptions { range: *range, if_version: None };
                Ok(Answer::Bytes(call!(fs, fs => fs.read_with(*path, &options))?.to_vec()))
            }
            Operation::Stat { path } => {
                let metadata = call!(fs, fs => fs.stat(*path))?;
                Ok(if metadata.is_dir() { Answer::Directory } else { Answer::Length(metadata.len) })
            }
            Operation::List { path, depth } => {
                let options = ListOptions { depth: *depth, ..ListOptions::default() };
                Ok(Answer::Names(self.names(path, &options)?))
            }
            Operation::CreateDir { path, parents, existing } => {
                let options = CreateDirOptions {
                    parents: *parents,
                    existing: *existing,
                    ..CreateDirOptions::default()
                };
                call!(fs, fs => fs.create_dir_with(*path, &options))?;
                Ok(Answer::Done)
            }
            Operation::Remove { path } => call!(fs, fs => fs.remove(*path)).map(|()| Answer::Done),
            Operation::RemoveDir { path } => call!(fs, fs => fs.remove_dir(*path)).map(|()| Answer::Done),
            Operation::RemoveAll { path } => call!(fs, fs => fs.remove_all(*path)).map(|()| Answer::Done),
            Operation::Rename { from, to, absent } => {
                call!(fs, fs => fs.rename_with(*from, *to, &moving(*absent)))?;
                Ok(Answer::Done)
            }
            Operation::Copy { from, to, absent } => {
                Ok(Answer::Length(call!(fs, fs => fs.copy_with(*from, *to, &moving(*absent)))?.len))
            }
            Operation::Open { handle, path, mode, publish, lease } => {
                // The handle that was there is dropped first, as the model does.
                self.handles[*handle] = None;
                let options = OpenOptions::from(*mode).publish(*publish).lease(*lease);
                self.handles[*handle] = Some(match &self.fs {
                    Either::Sync(fs) => Handle::Sync(fs.open(*path, options)?),
                    Either::Async(fs) => Handle::Async(smol::block_on(fs.open(*path, options))?),
                });
                Ok(Answer::Done)
            }
            Operation::HandleDrop { handle } => {
                self.handles[*handle] = None;
                Ok(Answer::Done)
            }
            Operation::HandleWrite { handle, .. }
            | Operation::HandleRead { handle }
            | Operation::HandleSetLen { handle, .. }
            | Operation::HandleCommit { handle }
            | Operation::HandleAbort { handle } => {
                let Some(handle) = &self.handles[*handle] else { return Ok(Answer::Done) };
                apply_to_handle(handle, operation)
            }
        }
    }

    fn condition(&self, path: &str, on: On) -> Condition {
        match on {
            On::Anything => Condition::None,
            On::Absent => Condition::IfAbsent,
            On::Stale => Condition::IfVersion(Version::new("stale")),
            On::Current => {
                let options = StatOptions { version: true };
                let found = call!(&self.fs, fs => fs.stat_with(path, &options));
                let version = found.ok().and_then(|metadata| metadata.version);
                Condition::IfVersion(version.unwrap_or_else(|| Version::new("none")))
            }
        }
    }

    fn names(&self, path: &str, options: &ListOptions) -> Result<Vec<String>> {
        let entries = match &self.fs {
            Either::Sync(fs) => fs.entries(path, options)?.collect_all()?,
            Either::Async(fs) => {
                smol::block_on(async { fs.entries(path, options).await?.collect_all().await })?
            }
        };
        let name = |entry: twinfs::Entry| format!("{}{}", entry.path, if entry.is_dir() { "/" } else { "" });
        Ok(entries.into_iter().map(name).collect())
    }

    /// Everything there is: names in listing order, with contents.
    pub(crate) fn tree(&self) -> Vec<(String, Vec<u8>)> {
        let options = ListOptions { depth: twinfs::Depth::Recursive, ..ListOptions::default() };
        let names = self.names("", &options).unwrap();
        let content = |name: &String| {
            if name.ends_with('/') {
                Vec::new()
            } else {
                call!(&self.fs, fs => fs.read(name)).unwrap().to_vec()
            }
        };
        let tree: Vec<(String, Vec<u8>)> = names.iter().map(|name| (name.clone(), content(name))).collect();
        assert!(tree.is_sorted(), "{tree:?}");
        assert_eq!(tree.len(), tree.iter().cloned().collect::<BTreeMap<_, _>>().len());
        tree
    }
}

fn apply_to_handle(handle: &Handle, operation: &Operation) -> Result<Answer> {
    match operation {
        Operation::HandleWrite { offset, data, .. } => {
            call_handle!(handle, file => file.write_at(*offset, data))?;
            Ok(Answer::Length(call_handle!(handle, file => file.len())?))
        }
        Operation::HandleRead { .. } => {
            Ok(Answer::Bytes(call_handle!(handle, file => file.read_at(0, 1000))?.to_vec()))
        }
        Operation::HandleSetLen { len, .. } => {
            call_handle!(handle, file => file.set_len(*len))?;
            Ok(Answer::Length(call_handle!(handle, file => file.len())?))
        }
        Operation::HandleCommit { .. } => {
            Ok(Answer::Length(call_handle!(handle, file => file.commit())?.len))
        }
        _ => call_handle!(handle, file => file.abort()).map(|()| Answer::Done),
    }
}
