//! Results on their way to the caller: progress, the meaning of a failure, the order.

use std::collections::HashSet;

use super::options::{Item, OnError, Options};
use super::progress::{Progress, ProgressItem};
use crate::error::{Error, ErrorKind, Result};
use crate::path::FsPath;

/// Tells progress that these items are in flight.
pub(super) fn started<'p>(options: &Options, first: usize, paths: impl IntoIterator<Item = &'p FsPath>) {
    if let Some(progress) = &options.progress {
        let numbered = paths.into_iter().enumerate();
        numbered.for_each(|(index, path)| progress.started(&item(first + index, path)));
    }
}

/// Gathers the results of one bulk call.
pub(super) struct Collector<'a, T> {
    on_error: OnError,
    progress: Option<&'a dyn Progress>,
    items: Vec<Item<T>>,
}

impl<'a, T> Collector<'a, T> {
    /// A collector for items of these paths.
    pub(super) fn new<'p>(options: &'a Options, paths: impl Iterator<Item = &'p FsPath>) -> Self {
        let progress = options.progress.as_deref();
        if let Some(progress) = progress {
            paths.enumerate().for_each(|(index, path)| progress.discovered(&item(index, path)));
        }
        Self { on_error: options.on_error, progress, items: Vec::new() }
    }

    /// Takes one result in; gives the error back that ends the call.
    pub(super) fn push(&mut self, index: usize, path: &FsPath, bytes: u64, result: Result<T>) -> Result<()> {
        if let Some(progress) = self.progress {
            let item = item(index, path);
            if result.is_ok() && bytes > 0 {
                progress.advanced(&item, bytes);
            }
            progress.finished(&item, result.as_ref().map(|_| ()));
        }
        match (result, self.on_error) {
            (Err(error), OnError::Raise) => return Err(error),
            (Err(_), OnError::Omit) => {}
            (result, _) => self.items.push(Item { index, path: path.clone(), result }),
        }
        Ok(())
    }

    /// All results in the order of the arguments.
    pub(super) fn finish(mut self) -> Vec<Item<T>> {
        self.items.sort_unstable_by_key(|item| item.index);
        self.items
    }
}

fn item(index: usize, path: &FsPath) -> ProgressItem<'_> {
    ProgressItem { index, path, to: None, len: None }
}

/// Refuses a path that is there twice, for verbs that change files: which one would win?
pub(super) fn distinct<'a>(paths: impl Iterator<Item = &'a FsPath>) -> Result<()> {
    let mut seen = HashSet::new();
    for path in paths {
        if !seen.insert(path) {
            return Err(Error::new(ErrorKind::InvalidInput)
                .with_path(path)
                .with_message("the path stands twice in one bulk call"));
        }
    }
    Ok(())
}
