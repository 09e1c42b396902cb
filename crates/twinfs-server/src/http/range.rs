//! `Range` (RFC 9110, section 14): one range of bytes. Several at once are answered with the whole file,
//! as the RFC allows.

/// What a `Range` header asks of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of it: no range, another unit, several ranges or no valid syntax.
    Whole,
    /// From the first offset, so many bytes; at least one.
    Part(u64, u64),
    /// Nothing that the file has.
    Unsatisfiable,
}

/// Reads a `Range` header for a file of `len` bytes.
pub(crate) fn wanted(header: &str, len: u64) -> Wanted {
    parse(header, len).unwrap_or(Wanted::Whole)
}

fn parse(header: &str, len: u64) -> Option<Wanted> {
    let (unit, ranges) = header.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") || ranges.contains(',') {
        return None;
    }
    let (first, last) = ranges.trim().split_once('-')?;
    if first.is_empty() {
        let count = number(last)?.min(len);
        return Some(match (count, len) {
            // The last bytes of an empty file are the empty file.
            (0, 0) if last != "0" => Wanted::Whole,
            (0, _) => Wanted::Unsatisfiable,
            _ => Wanted::Part(len - count, count),
        });
    }
    let first = number(first)?;
    let last = if last.is_empty() { u64::MAX } else { number(last)? };
    if last < first {
        return None;
    }
    if first >= len {
        return Some(Wanted::Unsatisfiable);
    }
    Some(Wanted::Part(first, last.min(len - 1) - first + 1))
}

/// Digits alone; more than a `u64` holds is as good as its largest.
fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::{Wanted, wanted};

    #[test]
    fn ranges_are_clipped_to_the_file() {
        for (header, expected) in [
            ("bytes=0-0", Wanted::Part(0, 1)),
            ("bytes=2-4", Wanted::Part(2, 3)),
            ("bytes=5-", Wanted::Part(5, 5)),
            ("bytes=-3", Wanted::Part(7, 3)),
            ("bytes=-99", Wanted::Part(0, 10)),
            ("bytes=0-99999999999999999999999", Wanted::Part(0, 10)),
            ("Bytes= 1-2", Wanted::Part(1, 2)),
            ("bytes=10-", Wanted::Unsatisfiable),
            ("bytes=-0", Wanted::Unsatisfiable),
            ("bytes=4-2", Wanted::Whole),
            ("bytes=0-1,3-4", Wanted::Whole),
            ("lines=0-1", Wanted::Whole),
            ("bytes=a-b", Wanted::Whole),
            ("bytes=+1-2", Wanted::Whole),
            ("bytes=-", Wanted::Whole),
            ("bytes", Wanted::Whole),
        ] {
            assert_eq!(wanted(header, 10), expected, "{header}");
        }
        assert_eq!(wanted("bytes=0-", 0), Wanted::Unsatisfiable);
        assert_eq!(wanted("bytes=-5", 0), Wanted::Whole);
    }
}
