//! Listings as both faces hand them out: entry by entry or page by page, with an optional filter.

use super::glob::Pattern;
use crate::error::{ErrorContext, Operation, Result};
use crate::store::{AsyncLister, Entry};

/// How many entries a page asked for by the faces themselves holds.
pub(crate) const PAGE: usize = 1000;

/// A listing under way, shared by both faces.
pub(crate) struct Cursor<L> {
    lister: L,
    page: std::vec::IntoIter<Entry>,
    pattern: Option<Pattern>,
    ended: bool,
}

impl<L: AsyncLister> Cursor<L> {
    pub(crate) fn new(lister: L, pattern: Option<Pattern>) -> Self {
        Self { lister, page: Vec::new().into_iter(), pattern, ended: false }
    }

    /// The next entries, at most `max`; empty at the end, for good.
    pub(crate) async fn next_page(&mut self, max: usize) -> Result<Vec<Entry>> {
        let max = max.max(1);
        if self.page.len() > 0 {
            return Ok(self.page.by_ref().take(max).collect());
        }
        while !self.ended {
            let mut page = self.lister.next_page(max).await.during(Operation::List)?;
            self.ended = page.is_empty();
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
