//! One trial: its directory, and what most trials do.

use bytes::Bytes;

use super::prelude::*;

/// Bytes that differ from place to place, so that a shifted or repeated block shows.
pub(super) fn pattern(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        // The step of Knuth's MMIX generator.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bytes.extend_from_slice(&state.to_be_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// Large enough for several blocks and parts of every store, and odd.
pub(super) const BIG: usize = 8 * 1024 * 1024 + 1;

/// The modes that write.
pub(super) const WRITING: [Mode; 5] =
    [Mode::Write, Mode::Create, Mode::Append, Mode::Update, Mode::Overwrite];

pub(super) struct Trial<'a, S> {
    pub(super) fs: &'a Fs<S>,
    dir: String,
    run: &'a Run<'a>,
    name: &'static str,
    plan: Plan,
}

impl<'a, S: Store> Trial<'a, S> {
    pub(super) fn new(run: &'a Run<'a>, fs: &'a Fs<S>, name: &'static str, plan: Plan) -> Self {
        Self { fs, dir: run.dir_of(super::FACE, name), run, name, plan }
    }

    pub(super) fn caps(&self) -> &Capabilities {
        &self.run.caps
    }

    pub(super) fn options(&self) -> &Options {
        self.run.options
    }

    /// The trial's own directory.
    pub(super) fn dir(&self) -> &str {
        &self.dir
    }

    /// A path in the trial's own directory.
    pub(super) fn at(&self, name: &str) -> String {
        format!("{}/{name}", self.dir)
    }

    /// The same as a checked path.
    pub(super) fn path(&self, name: &str) -> Outcome<FsPath> {
        Ok(FsPath::new(&self.at(name))?)
    }

    /// The part of an entry's path below the trial's directory; of a directory with `/`.
    pub(super) fn name_of(&self, entry: &Entry) -> String {
        let path = entry.path.as_str();
        let name = path.strip_prefix(&self.dir).map_or(path, |rest| rest.trim_start_matches('/'));
        if entry.is_dir() { format!("{name}/") } else { name.to_owned() }
    }

    /// Notes the kind of an error, for the comparison of the faces.
    pub(super) fn observe(&self, kind: ErrorKind) {
        self.run.report().observed.push(format!("{} {kind:?}", self.name));
    }

    face_fn! {
        /// Removes what an earlier run left, and makes the directory.
        pub(super) fn prepare(&self) -> Outcome {
            if !self.caps().write {
                return Ok(());
            }
            go!(self.clean_up());
            if self.caps().directories {
                go!(self.fs.create_dir_with(&*self.dir, &quick_dir()))?;
            }
            Ok(())
        }
    }

    face_fn! {
        pub(super) fn clean_up(&self) {
            if self.caps().write {
                // Nothing there is fine; anything else shows in the next trial, or was the trial's fault.
                let _ = go!(self.fs.remove_all_with(&*self.dir, &quick_removal()));
            }
        }
    }

    face_fn! {
        /// Puts a file, by the caller's way if there is one. Where a refusal is expected, by the
        /// store, which may be the one to refuse.
        pub(super) fn put(&self, name: &str, data: &[u8]) -> Outcome {
            match &self.run.options.put {
                Some(put) if self.plan == Plan::Run => put(&self.path(name)?, data)?,
                _ => {
                    go!(self.fs.write_with(self.at(name), data, &quick()))?;
                }
            }
            Ok(())
        }
    }

    face_fn! {
        /// Makes a directory that is really there.
        pub(super) fn make_dir(&self, name: &str) -> Outcome {
            Ok(go!(self.fs.create_dir_with(self.at(name), &quick_dir()))?)
        }
    }

    face_fn! {
        pub(super) fn get(&self, name: &str) -> Outcome<Bytes> {
            Ok(go!(self.fs.read(self.at(name)))?)
        }
    }

    face_fn! {
        pub(super) fn open(&self, name: &str, options: impl Into<OpenOptions> + Send) -> crate::Result<File<S>> {
            go!(self.fs.open(self.at(name), options))
        }
    }

    face_fn! {
        pub(super) fn exists(&self, name: &str) -> Outcome<bool> {
            Ok(go!(self.fs.exists(self.at(name)))?)
        }
    }

    face_fn! {
        pub(super) fn version(&self, name: &str) -> Outcome<Version> {
            let metadata = go!(self.fs.stat_with(self.at(name), &StatOptions { version: true }))?;
            metadata.version.ok_or_else(|| Failure::wrong(format!("no version of '{name}'")))
        }
    }

    face_fn! {
        /// The names of everything below the trial's directory, in listing order.
        pub(super) fn tree(&self) -> Outcome<Vec<String>> {
            match go!(self.fs.walk(&*self.dir)) {
                Ok(entries) => Ok(go!(entries.collect_all())?.iter().map(|entry| self.name_of(entry)).collect()),
                // Without directories an empty one is not there.
                Err(error) if error.kind() == ErrorKind::NotFound && !self.caps().directories => Ok(Vec::new()),
                Err(error) => Err(error.into()),
            }
        }
    }
}

/// Options of setting up: nothing there needs to be on a disk.
pub(super) fn quick() -> WriteOptions {
    WriteOptions::default().durability(Durability::None)
}

pub(super) fn quick_removal() -> RemoveOptions {
    RemoveOptions { durability: Some(Durability::None) }
}

pub(super) fn quick_move() -> MoveOptions {
    MoveOptions { durability: Some(Durability::None), ..MoveOptions::default() }
}

pub(super) fn quick_dir() -> CreateDirOptions {
    CreateDirOptions {
        existing: Existing::Keep,
        durability: Some(Durability::None),
        ..CreateDirOptions::default()
    }
}
