//! Slices of a file, with offsets that may count from the end.

use crate::path::FsPath;
use crate::store::ByteRange;

/// A slice of a file in bytes; a negative offset counts from the end of the file, a missing one is
/// that end of the file. Offsets beyond the file are clipped to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slice {
    /// The first byte.
    pub start: Option<i64>,
    /// The byte after the last.
    pub end: Option<i64>,
}

/// A slice of one file, for [`cat_ranges`](super::cat_ranges).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SliceOf {
    /// The file.
    pub path: FsPath,
    /// Which bytes.
    pub slice: Slice,
}

/// What a slice is as a range: at once, or once the length of the file is known.
pub(super) enum Resolved {
    Range(ByteRange),
    NeedsLength,
}

impl Slice {
    /// The slice as a range, if that does not depend on the length of the file.
    pub(super) fn resolve(self) -> Resolved {
        let start = self.start.unwrap_or(0);
        match (u64::try_from(start), self.end.map(u64::try_from)) {
            (Ok(start), None) => Resolved::Range(ByteRange::From(start)),
            (Ok(start), Some(Ok(end))) => Resolved::Range(ByteRange::Bounded(start, end)),
            (Err(_), None) => Resolved::Range(ByteRange::Suffix(start.unsigned_abs())),
            (Ok(_), Some(Err(_))) | (Err(_), Some(_)) => Resolved::NeedsLength,
        }
    }

    /// The slice as a range of a file of `len` bytes.
    ///
    /// ```
    /// use twinfs::ByteRange;
    /// use twinfs::bulk::Slice;
    ///
    /// let slice = Slice { start: Some(-4), end: Some(-1) };
    /// assert_eq!(slice.range(10), ByteRange::Bounded(6, 9));
    /// ```
    #[must_use]
    pub fn range(self, len: u64) -> ByteRange {
        let offset = |offset: i64| match u64::try_from(offset) {
            Ok(offset) => offset.min(len),
            Err(_) => len.saturating_sub(offset.unsigned_abs()),
        };
        let start = offset(self.start.unwrap_or(0));
        ByteRange::Bounded(start, self.end.map_or(len, offset).max(start))
    }
}

impl From<std::ops::Range<i64>> for Slice {
    fn from(range: std::ops::Range<i64>) -> Self {
        Self { start: Some(range.start), end: Some(range.end) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_follow_the_rules_of_python() {
        let data: Vec<u8> = (0..10).collect();
        for start in [None, Some(-12), Some(-10), Some(-3), Some(0), Some(4), Some(10), Some(12)] {
            for end in [None, Some(-12), Some(-10), Some(-3), Some(0), Some(4), Some(10), Some(12)] {
                // Python's own rule, written out: negative offsets get the length added, then both
                // are clipped.
                let clip = |offset: i64| {
                    usize::try_from((if offset < 0 { offset + 10 } else { offset }).clamp(0, 10)).unwrap()
                };
                let (first, last) = (clip(start.unwrap_or(0)), clip(end.unwrap_or(10)));
                let expected: &[u8] = if first < last { &data[first..last] } else { &[] };

                let slice = Slice { start, end };
                let range = match slice.resolve() {
                    Resolved::Range(range) => range,
                    Resolved::NeedsLength => slice.range(10),
                };
                let (offset, len) = range.resolve(10);
                let offset = usize::try_from(offset).unwrap();
                let found = &data[offset..offset + usize::try_from(len).unwrap()];
                assert_eq!(found, expected, "{slice:?}");
                assert_eq!(slice.range(10).resolve(10).1 as usize, expected.len(), "{slice:?}");
            }
        }
    }
}
