//! Glob patterns: `*`, `?`, `[...]`, `[!...]` within a component, `**` across components.

use globset::{GlobBuilder, GlobMatcher};

use crate::error::{Error, ErrorContext, ErrorKind, Operation, Result};
use crate::path::FsPath;
use crate::store::Entry;

/// A compiled pattern and where to look for what it can match.
pub(crate) struct Pattern {
    matcher: GlobMatcher,
    /// The directory below which everything that matches lies.
    pub(crate) base: FsPath,
    /// Whether a match can lie deeper than the entries of `base`.
    pub(crate) deep: bool,
    only_dirs: bool,
}

impl Pattern {
    pub(crate) fn new(text: &str) -> Result<Self> {
        let only_dirs = text.ends_with('/');
        let trimmed = text.trim_matches('/');
        let matcher = GlobBuilder::new(trimmed)
            .literal_separator(true)
            .backslash_escape(false)
            .build()
            .map_err(|error| {
                Error::new(ErrorKind::InvalidInput)
                    .with_operation(Operation::Glob)
                    .with_raw_path(text)
                    .with_message(error.kind().to_string())
            })?
            .compile_matcher();
        // The literal components in front of the first special one need no walking.
        let literal: Vec<&str> =
            trimmed.split('/').take_while(|part| !part.contains(['*', '?', '[', '{'])).collect();
        let parts = trimmed.split('/').count();
        let above = literal.len().min(parts - 1);
        let base = FsPath::new(&literal[..above].join("/")).during(Operation::Glob)?;
        let deep = parts - above > 1 || trimmed.contains("**");
        Ok(Self { matcher, base, deep, only_dirs })
    }

    pub(crate) fn matches(&self, entry: &Entry) -> bool {
        (!self.only_dirs || entry.is_dir())
            && entry.raw_name.is_none()
            && self.matcher.is_match(entry.path.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::EntryKind;

    fn matches(pattern: &str, path: &str) -> bool {
        let entry = Entry::new(FsPath::new(path).unwrap(), EntryKind::File);
        Pattern::new(pattern).unwrap().matches(&entry)
    }

    #[test]
    fn stars_stay_within_a_component_and_double_stars_cross() {
        assert!(matches("a/*.txt", "a/x.txt"));
        assert!(!matches("a/*.txt", "a/b/x.txt"));
        assert!(matches("a/**/*.txt", "a/b/c/x.txt"));
        assert!(matches("a/**/*.txt", "a/x.txt"));
        assert!(matches("[!b]?", "ax"));
        assert!(!matches("[!b]?", "bx"));
    }

    #[test]
    fn the_base_is_the_literal_part() {
        let pattern = Pattern::new("a/b/*.txt").unwrap();
        assert_eq!((pattern.base.as_str(), pattern.deep), ("a/b", false));
        let pattern = Pattern::new("a/b").unwrap();
        assert_eq!((pattern.base.as_str(), pattern.deep), ("a", false));
        assert!(Pattern::new("**").unwrap().deep);
        assert_eq!(Pattern::new("a[").err().unwrap().kind(), ErrorKind::InvalidInput);
    }
}
