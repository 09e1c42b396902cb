//! The two faces, from one list of methods.
//!
//! [`fs_methods!`] and [`file_methods!`] hold the list: name, arguments, answer, words and the async
//! text. `asynchronous.rs` and `blocking.rs` turn it into `async fn`s and into plain ones.

pub(crate) mod asynchronous;
pub(crate) mod blocking;

use crate::error::{ErrorContext, Operation, Result};
use crate::path::{FsPath, IntoFsPath};
use crate::store::AsyncStore;

/// The path of an operation, which an error about it names.
fn checked<S: AsyncStore>(store: &S, path: impl IntoFsPath, operation: Operation) -> Result<FsPath> {
    path.into_fs_path().during(operation).map_err(|error| error.with_store(store.scheme()))
}

/// Every verb of a file system, for both faces. In the text `$store` is the store; it awaits
/// nothing but logic. The pieces of `example` are joined by `.await` on the async face.
macro_rules! fs_methods {
    ($emit:ident) => {
        $emit! {
            /// Says what stands at a path: kind, length in bytes, times. Links are followed.
            ///
            /// # Errors
            /// `NotFound`, `NotADirectory` (a component above is a file), `PermissionDenied` (a link leads
            /// out of the root), `InvalidPath`.
            example ["fs.write(\"a.txt\", \"hello\")", "?;\nassert_eq!(fs.stat(\"a.txt\")", "?.len, 5);"]
            fn stat(path: impl IntoFsPath) -> Metadata = |store| {
                verbs::stat(store, &checked(store, path, Operation::Stat)?, &StatOptions::default()).await
            }

            /// As [`stat`](Self::stat), with options: the version, too.
            ///
            /// # Errors
            /// As [`stat`](Self::stat); `Unsupported` where the store keeps no versions.
            example ["fs.write(\"a.txt\", \"hello\")", "?;\nlet with_version = twinfs::StatOptions { version: true };\nassert!(fs.stat_with(\"a.txt\", &with_version)", "?.version.is_some());"]
            fn stat_with(path: impl IntoFsPath, options: &StatOptions) -> Metadata = |store| {
                verbs::stat(store, &checked(store, path, Operation::Stat)?, options).await
            }

            /// [`stat_with`](Self::stat_with) for many paths in one call; results in the order of the paths.
            ///
            /// # Errors
            /// Each result has its own; the call fails only where no path could be tried.
            example ["let paths = [twinfs::FsPath::new(\"a\")?, twinfs::FsPath::new(\"b\")?];\nlet found = fs.stat_many(&paths, &Default::default())", "?;\nassert!(found.iter().all(|one| one.is_err()));"]
            fn stat_many(paths: &[FsPath], options: &StatOptions) -> Vec<Result<Metadata>> = |store| {
                verbs::stat_many(store, paths, options).await
            }

            /// Whether anything is at a path. A link that leads nowhere is nothing.
            ///
            /// # Errors
            /// `InvalidPath`, `PermissionDenied`; never `NotFound`.
            example ["assert!(!fs.exists(\"a.txt\")", "?);"]
            fn exists(path: impl IntoFsPath) -> bool = |store| {
                verbs::exists(store, &checked(store, path, Operation::Stat)?).await
            }

            /// Whether a regular file is at a path.
            ///
            /// # Errors
            /// As [`exists`](Self::exists).
            example ["assert!(!fs.is_file(\"a.txt\")", "?);"]
            fn is_file(path: impl IntoFsPath) -> bool = |store| {
                verbs::is_file(store, &checked(store, path, Operation::Stat)?).await
            }

            /// Whether a directory is at a path.
            ///
            /// # Errors
            /// As [`exists`](Self::exists).
            example ["assert!(fs.is_dir(\"/\")", "?);"]
            fn is_dir(path: impl IntoFsPath) -> bool = |store| {
                verbs::is_dir(store, &checked(store, path, Operation::Stat)?).await
            }

            /// Reads a whole file.
            ///
            /// # Errors
            /// `NotFound`, `IsADirectory`, `NotADirectory`, `PermissionDenied`, `InvalidPath`.
            example ["fs.write(\"a.txt\", \"hello\")", "?;\nassert_eq!(fs.read(\"a.txt\")", "?, \"hello\");"]
            fn read(path: impl IntoFsPath) -> Bytes = |store| {
                verbs::read(store, &checked(store, path, Operation::Read)?, &ReadOptions::default()).await
            }

            /// Reads a range of a file, in bytes; from the end with [`ByteRange::Suffix`]. Ranges past the
            /// end are clipped.
            ///
            /// # Errors
            /// As [`read`](Self::read).
            example ["fs.write(\"a.txt\", \"hello\")", "?;\nassert_eq!(fs.read_range(\"a.txt\", 1..3)", "?, \"el\");"]
            fn read_range(path: impl IntoFsPath, range: impl Into<ByteRange> + Send) -> Bytes = |store| {
                let options = ReadOptions { range: range.into(), if_version: None };
                verbs::read(store, &checked(store, path, Operation::Read)?, &options).await
            }

            /// Reads with options: a range, a condition on the version.
            ///
            /// # Errors
            /// As [`read`](Self::read), and `ConditionFailed`.
            example ["fs.write(\"a.txt\", \"hello\")", "?;\nlet last = twinfs::ReadOptions { range: twinfs::ByteRange::Suffix(2), ..Default::default() };\nassert_eq!(fs.read_with(\"a.txt\", &last)", "?, \"lo\");"]
            fn read_with(path: impl IntoFsPath, options: &ReadOptions) -> Bytes = |store| {
                verbs::read(store, &checked(store, path, Operation::Read)?, options).await
            }

            /// Reads many files in one call, side by side where the store gains from it; results in the
            /// order of the paths. Contents of a few KiB may share memory: to keep one of them alone keeps up
            /// to 64 KiB.
            ///
            /// # Errors
            /// Each result has its own; the call fails only where no path could be tried.
            example ["fs.write(\"a\", \"1\")", "?;\nlet paths = [twinfs::FsPath::new(\"a\")?, twinfs::FsPath::new(\"b\")?];\nlet read = fs.read_many(&paths)", "?;\nassert_eq!(read[0].as_ref().unwrap(), \"1\");\nassert!(read[1].is_err());"]
            fn read_many(paths: &[FsPath]) -> Vec<Result<Bytes>> = |store| {
                verbs::read_many(store, paths, &ReadOptions::default()).await
            }

            /// Writes a whole file: a reader sees the old or the new content, never a part. Missing
            /// directories are created. The last writer wins.
            ///
            /// Cancelled before it was published, it changes nothing and leaves nothing behind.
            ///
            /// # Errors
            /// `IsADirectory`, `NotADirectory`, `NoSpace`, `TooLarge`, `PermissionDenied`, `InvalidPath`; nothing
            /// is changed then.
            example ["let metadata = fs.write(\"new/folder/a.txt\", \"hello\")", "?;\nassert_eq!(metadata.len, 5);"]
            fn write<'data>(path: impl IntoFsPath, data: impl Into<Data<'data>> + Send) -> Metadata = |store| {
                let data = data.into();
                verbs::write(store, &checked(store, path, Operation::Write)?, &data, &WriteOptions::default()).await
            }

            /// As [`write`](Self::write), with a condition, durability and the treatment of missing directories.
            ///
            /// # Errors
            /// As [`write`](Self::write); `ConditionFailed`; `NotFound` for a missing parent with
            /// [`Parents::Require`](crate::Parents::Require); `Unsupported` for what the store does not declare.
            example ["let if_absent = twinfs::WriteOptions::if_absent();\nfs.write_with(\"a.txt\", \"first\", &if_absent)", "?;\nlet error = fs.write_with(\"a.txt\", \"second\", &if_absent)", ".unwrap_err();\nassert_eq!(error.kind(), twinfs::ErrorKind::ConditionFailed);"]
            fn write_with<'data>(path: impl IntoFsPath, data: impl Into<Data<'data>> + Send, options: &WriteOptions) -> Metadata = |store| {
                let data = data.into();
                verbs::write(store, &checked(store, path, Operation::Write)?, &data, options).await
            }

            /// As [`write_with`](Self::write_with), from parts that follow each other: a header and a body, say,
            /// which local disk writes without joining them in memory.
            ///
            /// # Errors
            /// As [`write_with`](Self::write_with).
            example ["fs.write_parts(\"a.txt\", &[\"head,\".into(), \"body\".into()], &Default::default())", "?;\nassert_eq!(fs.read(\"a.txt\")", "?, \"head,body\");"]
            fn write_parts(path: impl IntoFsPath, parts: &[Data<'_>], options: &WriteOptions) -> Metadata = |store| {
                verbs::write_parts(store, &checked(store, path, Operation::Write)?, parts, options).await
            }

            /// Writes many files in one call, each whole by itself; results in the order of the items.
            ///
            /// # Errors
            /// Each result has its own; the call fails only where no file could be tried.
            example ["let item = |path, text| Ok::<_, twinfs::Error>(twinfs::WriteItem { path: twinfs::FsPath::new(path)?, data: twinfs::Data::from(text) });\nlet written = fs.write_many(&[item(\"a\", \"1\")?, item(\"b\", \"2\")?], &Default::default())", "?;\nassert!(written.iter().all(Result::is_ok));"]
            fn write_many(items: &[WriteItem<'_>], options: &WriteOptions) -> Vec<Result<Metadata>> = |store| {
                verbs::write_many(store, items, options).await
            }

            /// Opens a handle. What is written through it is published whole by `commit`; a handle that
            /// is dropped without it publishes nothing.
            ///
            /// # Errors
            /// By mode: `NotFound`, `AlreadyExists`, `IsADirectory`; `WouldBlock` where another writer
            /// holds the path; `Unsupported` for what the store does not declare.
            example ["let mut file = fs.open(\"a.txt\", twinfs::Mode::Write)", "?;\nfile.write(b\"hello\")", "?;\nassert!(!fs.exists(\"a.txt\")", "?);\nfile.commit()", "?;\nassert_eq!(fs.read(\"a.txt\")", "?, \"hello\");"]
            fn open(path: impl IntoFsPath, options: impl Into<OpenOptions> + Send) -> File<S> = |store| {
                let (path, options) = (checked(store, path, Operation::Open)?, options.into());
                Ok(File::new(verbs::open(store, &path, &options).await?, path, options.mode, store.scheme()))
            }

            /// The entries of a directory, in order (see [`Entry::listing_cmp`]), without metadata.
            ///
            /// # Errors
            /// `NotFound`; a file is listed as itself.
            example ["fs.write(\"b/c\", \"\")", "?;\nfs.write(\"a\", \"\")", "?;\nlet names: Vec<String> = fs.list(\"\")", "?.iter().map(|entry| entry.path.to_string()).collect();\nassert_eq!(names, [\"a\", \"b\"]);"]
            fn list(path: impl IntoFsPath) -> Vec<Entry> = |store| {
                let path = checked(store, path, Operation::List)?;
                verbs::list(store, &path, &ListOptions::default(), Operation::List).await?.collect().await
            }

            /// Starts a listing with options: recursive, unordered, with metadata, from a name on. The
            /// names of one directory at a time are held in memory, of an unordered listing one page.
            ///
            /// # Errors
            /// As [`list`](Self::list), and `Unsupported` for a name to start after without an order. What was
            /// found before an error comes first; after it the listing is at its end.
            example ["fs.write(\"b/c\", \"xyz\")", "?;\nlet options = twinfs::ListOptions { metadata: true, ..Default::default() };\nlet mut entries = fs.entries(\"b\", &options)", "?;\nlet page = entries.next_page(100)", "?;\nassert_eq!(page[0].len(), Some(3));"]
            fn entries(path: impl IntoFsPath, options: &ListOptions) -> Entries<S> = |store| {
                let path = checked(store, path, Operation::List)?;
                Ok(Entries::new(verbs::list(store, &path, options, Operation::List).await?))
            }

            /// Everything below a directory, in order, without metadata. Links are reported and not followed.
            ///
            /// # Errors
            /// As [`list`](Self::list).
            example ["fs.write(\"b/c\", \"\")", "?;\nlet all = fs.walk(\"\")", "?.collect_all()", "?;\nassert_eq!(all.len(), 2);"]
            fn walk(path: impl IntoFsPath) -> Entries<S> = |store| {
                let options = ListOptions { depth: Depth::Recursive, ..ListOptions::default() };
                let path = checked(store, path, Operation::Walk)?;
                Ok(Entries::new(verbs::list(store, &path, &options, Operation::Walk).await?))
            }

            /// Everything that matches a pattern, in order: `*`, `?`, `[a-z]`, `[!a-z]`, `{a,b}` within a
            /// component, `**` across components; a trailing `/` means directories only. A pattern whose
            /// literal part does not exist matches nothing.
            ///
            /// # Errors
            /// `InvalidInput` for a malformed pattern, `InvalidPath` for its literal part.
            example ["fs.write(\"a/x.txt\", \"\")", "?;\nfs.write(\"a/y.csv\", \"\")", "?;\nlet found = fs.glob(\"a/*.txt\")", "?.collect_all()", "?;\nassert_eq!(found[0].path.as_str(), \"a/x.txt\");"]
            fn glob(pattern: &str) -> Entries<S> = |store| {
                let pattern = Pattern::new(pattern).map_err(|error| error.with_store(store.scheme()))?;
                let depth = if pattern.deep { Depth::Recursive } else { Depth::Children };
                let options = ListOptions { depth, ..ListOptions::default() };
                match verbs::list(store, &pattern.base, &options, Operation::Glob).await {
                    Ok(cursor) => Ok(Entries::new(cursor.matching(pattern))),
                    Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(Entries::empty()),
                    Err(error) => Err(error),
                }
            }

            /// Creates a directory; its parent must be there.
            ///
            /// # Errors
            /// `AlreadyExists`, `NotFound` (the parent), `NotADirectory`.
            example ["fs.create_dir(\"a\")", "?;\nassert!(fs.is_dir(\"a\")", "?);"]
            fn create_dir(path: impl IntoFsPath) -> () = |store| {
                verbs::create_dir(store, &checked(store, path, Operation::CreateDir)?, &verbs::MKDIR).await
            }

            /// Creates a directory and those above it; one that is there already is fine.
            ///
            /// # Errors
            /// `AlreadyExists` or `NotADirectory` where a file is in the way.
            example ["fs.create_dir_all(\"a/b/c\")", "?;\nfs.create_dir_all(\"a/b/c\")", "?;"]
            fn create_dir_all(path: impl IntoFsPath) -> () = |store| {
                verbs::create_dir(store, &checked(store, path, Operation::CreateDir)?, &verbs::MKDIR_ALL).await
            }

            /// Creates a directory with options.
            ///
            /// # Errors
            /// As [`create_dir`](Self::create_dir).
            example ["fs.create_dir_with(\"a/b\", &Default::default())", "?;"]
            fn create_dir_with(path: impl IntoFsPath, options: &CreateDirOptions) -> () = |store| {
                verbs::create_dir(store, &checked(store, path, Operation::CreateDir)?, options).await
            }

            /// Removes a file, or a link itself.
            ///
            /// # Errors
            /// `NotFound`, `IsADirectory`.
            example ["fs.write(\"a\", \"\")", "?;\nfs.remove(\"a\")", "?;\nassert!(!fs.exists(\"a\")", "?);"]
            fn remove(path: impl IntoFsPath) -> () = |store| {
                verbs::remove(store, &checked(store, path, Operation::Remove)?, &RemoveOptions::default()).await
            }

            /// As [`remove`](Self::remove), with durability.
            ///
            /// # Errors
            /// As [`remove`](Self::remove).
            example ["fs.write(\"a\", \"\")", "?;\nfs.remove_with(\"a\", &Default::default())", "?;"]
            fn remove_with(path: impl IntoFsPath, options: &RemoveOptions) -> () = |store| {
                verbs::remove(store, &checked(store, path, Operation::Remove)?, options).await
            }

            /// Removes an empty directory.
            ///
            /// # Errors
            /// `NotFound`, `NotADirectory`, `NotEmpty`; `InvalidInput` for the root.
            example ["fs.create_dir(\"a\")", "?;\nfs.remove_dir(\"a\")", "?;"]
            fn remove_dir(path: impl IntoFsPath) -> () = |store| {
                verbs::remove_dir(store, &checked(store, path, Operation::RemoveDir)?, &RemoveOptions::default()).await
            }

            /// As [`remove_dir`](Self::remove_dir), with durability.
            ///
            /// # Errors
            /// As [`remove_dir`](Self::remove_dir).
            example ["fs.create_dir(\"a\")", "?;\nfs.remove_dir_with(\"a\", &Default::default())", "?;"]
            fn remove_dir_with(path: impl IntoFsPath, options: &RemoveOptions) -> () = |store| {
                verbs::remove_dir(store, &checked(store, path, Operation::RemoveDir)?, options).await
            }

            /// Removes a file, or a directory with everything in it; of the root: everything in it. Links
            /// are removed, never followed.
            ///
            /// Cancelled, or failed half-way, what was removed stays removed.
            ///
            /// # Errors
            /// `NotFound`, `PermissionDenied`.
            example ["fs.write(\"a/b/c\", \"\")", "?;\nfs.remove_all(\"a\")", "?;\nassert!(!fs.exists(\"a\")", "?);"]
            fn remove_all(path: impl IntoFsPath) -> () = |store| {
                verbs::remove_all(store, &checked(store, path, Operation::RemoveAll)?, &RemoveOptions::default()).await
            }

            /// As [`remove_all`](Self::remove_all), with durability.
            ///
            /// # Errors
            /// As [`remove_all`](Self::remove_all).
            example ["fs.write(\"a/b\", \"\")", "?;\nfs.remove_all_with(\"a\", &Default::default())", "?;"]
            fn remove_all_with(path: impl IntoFsPath, options: &RemoveOptions) -> () = |store| {
                verbs::remove_all(store, &checked(store, path, Operation::RemoveAll)?, options).await
            }

            /// Moves a file, link or directory. A file at the destination is replaced; missing directories
            /// above it are created.
            ///
            /// # Errors
            /// `NotFound`, `IsADirectory`, `NotADirectory`, `NotEmpty`; `InvalidInput` for a directory into itself.
            example ["fs.write(\"a\", \"1\")", "?;\nfs.rename(\"a\", \"b/c\")", "?;\nassert_eq!(fs.read(\"b/c\")", "?, \"1\");"]
            fn rename(from: impl IntoFsPath, to: impl IntoFsPath) -> () = |store| {
                verbs::rename(store, &checked(store, from, Operation::Rename)?, &checked(store, to, Operation::Rename)?, &MoveOptions::default()).await
            }

            /// As [`rename`](Self::rename), with a condition on the destination, durability and the treatment of
            /// missing directories.
            ///
            /// # Errors
            /// As [`rename`](Self::rename), and `ConditionFailed`.
            example ["fs.write(\"a\", \"1\")", "?;\nfs.rename_with(\"a\", \"b\", &Default::default())", "?;"]
            fn rename_with(from: impl IntoFsPath, to: impl IntoFsPath, options: &MoveOptions) -> () = |store| {
                verbs::rename(store, &checked(store, from, Operation::Rename)?, &checked(store, to, Operation::Rename)?, options).await
            }

            /// Copies a file, whole, inside the store.
            ///
            /// # Errors
            /// `NotFound`, `IsADirectory`, `NoSpace`.
            example ["fs.write(\"a\", \"1\")", "?;\nfs.copy(\"a\", \"b\")", "?;\nassert_eq!(fs.read(\"b\")", "?, \"1\");"]
            fn copy(from: impl IntoFsPath, to: impl IntoFsPath) -> Metadata = |store| {
                verbs::copy(store, &checked(store, from, Operation::Copy)?, &checked(store, to, Operation::Copy)?, &MoveOptions::default()).await
            }

            /// As [`copy`](Self::copy), with a condition on the destination, durability and the treatment of
            /// missing directories.
            ///
            /// # Errors
            /// As [`copy`](Self::copy), and `ConditionFailed`.
            example ["fs.write(\"a\", \"1\")", "?;\nfs.copy_with(\"a\", \"b\", &Default::default())", "?;"]
            fn copy_with(from: impl IntoFsPath, to: impl IntoFsPath, options: &MoveOptions) -> Metadata = |store| {
                verbs::copy(store, &checked(store, from, Operation::Copy)?, &checked(store, to, Operation::Copy)?, options).await
            }

            /// Counts the bytes, files and directories below a path.
            ///
            /// # Errors
            /// As [`list`](Self::list).
            example ["fs.write(\"a/b\", \"123\")", "?;\nassert_eq!(fs.disk_usage(\"\")", "?.bytes, 3);"]
            fn disk_usage(path: impl IntoFsPath) -> DiskUsage = |store| {
                disk_usage(store, &checked(store, path, Operation::DiskUsage)?).await
            }

            /// Makes an empty staged upload: bytes on their way in that outlive handle and process, show in no
            /// listing, and become a file by [`publish`](Self::publish).
            ///
            /// # Errors
            /// `Unsupported`, `NoSpace`.
            example ["let id = fs.stage(&Default::default())", "?;\nlet upload = fs.reopen(&id)", "?;\nupload.write_at(5, \"world\")", "?;\nupload.write_at(0, \"hello\")", "?;\ndrop(upload);\nfs.publish(&id, \"a.txt\", &Default::default())", "?;\nassert_eq!(fs.read(\"a.txt\")", "?, \"helloworld\");"]
            fn stage(options: &StageOptions) -> StagedId = |store| {
                verbs::stage(store, options).await
            }

            /// Writes all of the data at an offset of a staged upload, a new one or one that is there, in one
            /// call; gives its id. A gap before it reads as zeros. Where it fails, nothing is left of a new one.
            ///
            /// Cancelled, a new one may be left; it is swept when its time is over.
            ///
            /// # Errors
            /// `NotFound` where no such upload is left; `Unsupported`, `NoSpace`.
            example ["let new = twinfs::StagedTarget::New(Default::default());\nlet id = fs.write_staged(&new, 0, \"hello\")", "?;\nfs.write_staged(&twinfs::StagedTarget::Known(id.clone()), 5, \" world\")", "?;\nfs.publish(&id, \"a.txt\", &Default::default())", "?;\nassert_eq!(fs.read(\"a.txt\")", "?, \"hello world\");"]
            fn write_staged<'data>(target: &StagedTarget, offset: u64, data: impl Into<Data<'data>> + Send) -> StagedId = |store| {
                let data = data.into();
                verbs::write_staged(store, target, offset, &data).await
            }

            /// Opens a staged upload for reading and writing anywhere; several handles may be open at once.
            /// Dropping one keeps the upload.
            ///
            /// # Errors
            /// `NotFound` where no such upload is left.
            example ["let id = fs.stage(&Default::default())", "?;\nfs.reopen(&id)", "?;"]
            fn reopen(id: &StagedId) -> File<S> = |store| {
                let file = verbs::reopen(store, id).await?;
                Ok(File::new(file, FsPath::root(), Mode::Update, store.scheme()))
            }

            /// Publishes a staged upload at a path. Of several calls at once, one finds the upload.
            ///
            /// # Errors
            /// `NotFound` for the upload; otherwise as [`write_with`](Self::write_with), and the upload is kept,
            /// save one that could not be synced: it is dropped.
            example ["let id = fs.stage(&Default::default())", "?;\nfs.publish(&id, \"empty\", &Default::default())", "?;"]
            fn publish(id: &StagedId, path: impl IntoFsPath, options: &WriteOptions) -> Metadata = |store| {
                verbs::publish(store, id, &checked(store, path, Operation::Publish)?, options).await
            }

            /// As [`publish`](Self::publish), for many in one call: each whole by itself, and all of them as
            /// durable as asked when this returns; results in the order of the items. Of items with one path the
            /// last that succeeds is there in the end.
            ///
            /// # Errors
            /// Each result has its own; the call fails only where none could be tried.
            example ["let id = fs.stage(&Default::default())", "?;\nlet item = twinfs::PublishItem { id, path: twinfs::FsPath::new(\"empty\")? };\nlet published = fs.publish_many(&[item], &Default::default())", "?;\nassert!(published.iter().all(Result::is_ok));"]
            fn publish_many(items: &[PublishItem], options: &WriteOptions) -> Vec<Result<Metadata>> = |store| {
                verbs::publish_many(store, items, options).await
            }

            /// Removes a staged upload.
            ///
            /// # Errors
            /// `NotFound`.
            example ["let id = fs.stage(&Default::default())", "?;\nfs.discard(&id)", "?;"]
            fn discard(id: &StagedId) -> () = |store| {
                verbs::discard(store, id).await
            }

            /// All staged uploads, by id.
            ///
            /// # Errors
            /// `Unsupported`.
            example ["fs.stage(&Default::default())", "?;\nassert_eq!(fs.list_staged()", "?.len(), 1);"]
            fn list_staged() -> Vec<Staged> = |store| {
                verbs::list_staged(store).await
            }
        }
    };
}

/// Every verb of an open file that does not move its position, for both faces.
macro_rules! file_methods {
    ($emit:ident) => {
        $emit! {
            /// Reads up to `len` bytes at an offset: all of them unless the file ends before.
            ///
            /// # Errors
            /// `Unsupported` for a mode that does not read, `Closed`.
            fn read_at(offset: u64, len: usize) -> Bytes = |file, Read| { file.read_bytes(offset, len).await }

            /// Reads into `buf` at an offset, without a copy on the sync face; gives how many bytes, 0 at
            /// the end.
            ///
            /// # Errors
            /// As [`read_at`](Self::read_at).
            fn read_into_at(offset: u64, buf: &mut [u8]) -> usize = |file, Read| { file.read_at(offset, buf).await }

            /// Writes all of the data at an offset; a gap before it reads as zeros. In mode `ab` the bytes
            /// go to the end whatever the offset.
            ///
            /// # Errors
            /// `Unsupported` for a mode that does not write, `NoSpace`, `Closed`.
            fn write_at<'data>(offset: u64, data: impl Into<Data<'data>> + Send) -> () = |file, Write| {
                let data = data.into();
                file.write_at(offset, &data).await
            }

            /// The length in bytes, as this handle sees it.
            ///
            /// # Errors
            /// `Closed`.
            fn len() -> u64 = |file, Stat| { file.len().await }

            /// What this handle sees: the version it reads, or the staged content so far.
            ///
            /// # Errors
            /// `Closed`.
            fn metadata() -> Metadata = |file, Stat| { file.metadata().await }

            /// Cuts the file, or extends it with zeros, to this length in bytes.
            ///
            /// # Errors
            /// `Unsupported` for a mode that does not write, `NoSpace`, `Closed`.
            fn set_len(len: u64) -> () = |file, Truncate| { file.set_len(len).await }

            /// Brings what was written to the disk without publishing it.
            ///
            /// # Errors
            /// `Io`: the writer is dead then and publishes nothing.
            fn flush_to_disk() -> () = |file, Flush| { file.flush().await }

            /// Publishes what was written, whole, and closes the handle. Of a reader: closes it.
            ///
            /// Cancelled, the file is published or it is not, never in part.
            ///
            /// # Errors
            /// `WouldBlock` if another writer committed first: nothing is written, and what was written here
            /// stays readable in this handle. `ConditionFailed`, `AlreadyExists` (mode `xb`), `NoSpace`, `Closed`.
            fn commit() -> Metadata = |file, Commit| { file.commit().await }

            /// Drops what was written and closes the handle; on a closed handle it does nothing.
            ///
            /// # Errors
            /// Those of the store while it removes what was staged; it is swept later then.
            fn abort() -> () = |file, Abort| { file.abort().await }
        }
    };
}

/// What answers without waiting, and so is the same on both faces. `$first` and `$last` stand around
/// the lines of each example.
macro_rules! try_methods {
    ($bound:ident, $first:literal, $last:literal) => {
        impl<S: $bound> Fs<S> {
            /// Says what stands at a path, if that is known without waiting: in memory always, on local
            /// disk where the kernel has it cached, elsewhere never.
            ///
            /// `None` means that it would have to wait, or would fail: [`stat`](Self::stat) says which.
            ///
            /// # Examples
            /// ```
            #[doc = $first]
            /// assert_eq!(fs.try_stat("a.txt").map(|found| found.len), Some(5));
            /// assert!(fs.try_stat("b.txt").is_none());
            #[doc = $last]
            /// ```
            pub fn try_stat(&self, path: impl IntoFsPath) -> Option<Metadata> {
                verbs::try_stat(&*self.store, &path.into_fs_path().ok()?, &StatOptions::default())
            }

            /// Reads a file, or a range of it, if the bytes can be had without waiting: out of memory
            /// always, from local disk up to [`turn::MAX_BYTES`](crate::turn::MAX_BYTES) where the kernel
            /// has them cached, elsewhere never. It is for code that must not wait, and has something
            /// else to do meanwhile; the async face asks it by itself before it hops to another thread.
            ///
            /// `None` means that it would have to wait, would fail, or is longer than that:
            /// [`read_range`](Self::read_range) says which.
            ///
            /// # Examples
            /// ```
            #[doc = $first]
            /// assert_eq!(fs.try_read("a.txt", 1..3).unwrap(), "el");
            /// assert!(fs.try_read("b.txt", ..).is_none());
            #[doc = $last]
            /// ```
            pub fn try_read(&self, path: impl IntoFsPath, range: impl Into<ByteRange>) -> Option<Bytes> {
                let options = ReadOptions { range: range.into(), if_version: None };
                verbs::try_read(&*self.store, &path.into_fs_path().ok()?, &options)
            }
        }

        impl<S: $bound> File<S> {
            /// Fills `buf` from an offset, or as much of it as the file has, if the bytes can be had
            /// without waiting; gives how many bytes.
            ///
            /// `None` means that it would have to wait, would fail, or that `buf` is longer than
            /// [`turn::MAX_BLOCK`](crate::turn::MAX_BLOCK): [`read_into_at`](Self::read_into_at) says which.
            pub fn try_read_into_at(&self, offset: u64, buf: &mut [u8]) -> Option<usize> {
                self.inner.try_read_at(offset, buf)
            }
        }
    };
}

pub(crate) use {file_methods, fs_methods, try_methods};
