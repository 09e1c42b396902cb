//! Listings as both faces hand them out: entry by entry or page by page, with an optional filter.

use super::glob::Pattern;
use crate::error::{Error, Operation, Result};
use crate::path::FsPath;
use crate::store::{AsyncLister, Entry};

/// How many entries a page asked for by the faces themselves holds.
pub(crate) const PAGE: usize = 1000;

/// A listing under way, shared by both faces.
pub(crate) struct Cursor<L> {
    lister: L,
    page: std::vec::IntoIter<Entry>,
    pattern: Option<Pattern>,
    ended: bool,
    about: About,
}

/// What an error of a listing says, where the store does not know better.
pub(crate) struct About {
    pub(crate) operation: Operation,
    pub(crate) path: FsPath,
    pub(crate) store: &'static str,
}

impl About {
    pub(crate) fn tell(&self, error: Error) -> Error {
        error.with_operation(self.operation).with_path(&self.path).with_store(self.store)
    }
}

impl<L: AsyncLister> Cursor<L> {
    pub(crate) fn new(lister: L, about: About) -> Self {
        Self { lister, page: Vec::new().into_iter(), pattern: None, ended: false, about }
    }

    /// The same with only what matches.
    pub(crate) fn matching(mut self, pattern: Pattern) -> Self {
        self.pattern = Some(pattern);
        self
    }

    /// The next entries, at most `max`; empty at the end and after an error, for good.
    pub(crate) async fn next_page(&mut self, max: usize) -> Result<Vec<Entry>> {
        let max = max.max(1);
        if self.page.len() > 0 {
            return Ok(self.page.by_ref().take(max).collect());
        }
        while !self.ended {
            let result = self.lister.next_page(max).await;
            self.ended = !matches!(&result, Ok(page) if !page.is_empty());
            let mut page = result.map_err(|error| self.about.tell(error))?;
            if let Some(pattern) = &self.pattern {
                page.retain(|entry| pattern.matches(entry));
            }
            if !page.is_empty() {
                return Ok(page);
            }
        }
        Ok(Vec::new())
    }

    pub(crate) async fn next(&mut self) -> Result<Option<Entry>> {
        if self.page.len() == 0 {
            self.page = self.next_page(PAGE).await?.into_iter();
        }
        Ok(self.page.next())
    }

    pub(crate) async fn collect(mut self) -> Result<Vec<Entry>> {
        let mut all = self.next_page(PAGE).await?;
        loop {
            let mut page = self.next_page(PAGE).await?;
            if page.is_empty() {
                return Ok(all);
            }
            all.append(&mut page);
        }
    }
}
