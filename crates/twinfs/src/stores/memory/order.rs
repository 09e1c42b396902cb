//! The order of listings: bytes of the full path, a directory counted as its name and `/`.

use std::borrow::Borrow;
use std::cmp::Ordering;

use crate::path::FsPath;

/// A name in listing order.
#[derive(Clone)]
pub(super) struct Key {
    pub(super) path: FsPath,
    pub(super) is_dir: bool,
}

/// Text in listing order, so that ranges can be asked for without building a [`Key`].
pub(super) trait Listed {
    fn parts(&self) -> (&str, bool);
}

impl Listed for Key {
    fn parts(&self) -> (&str, bool) {
        (self.path.as_str(), self.is_dir)
    }
}

/// A place in the order: a file's path, or a directory's with its `/`.
pub(super) struct Place<'a>(pub(super) &'a str);

impl Listed for Place<'_> {
    fn parts(&self) -> (&str, bool) {
        (self.0, false)
    }
}

fn listing_order(a: &dyn Listed, b: &dyn Listed) -> Ordering {
    let ((a, a_is_dir), (b, b_is_dir)) = (a.parts(), b.parts());
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let common = a.len().min(b.len());
    let tail = |text: &'_ [u8], is_dir: bool| text.get(common).copied().or(is_dir.then_some(b'/'));
    // Equal up to the shorter one's end; there one byte decides, save where that byte is the
    // slash of both ("a" as a directory beside "a/b"): then the longer one comes after.
    a[..common].cmp(&b[..common]).then_with(|| tail(a, a_is_dir).cmp(&tail(b, b_is_dir))).then_with(|| {
        let full_len = |text: &[u8], is_dir| text.len() + usize::from(is_dir);
        full_len(a, a_is_dir).cmp(&full_len(b, b_is_dir))
    })
}

impl Ord for dyn Listed + '_ {
    fn cmp(&self, other: &Self) -> Ordering {
        listing_order(self, other)
    }
}

impl PartialOrd for dyn Listed + '_ {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for dyn Listed + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for dyn Listed + '_ {}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        listing_order(self, other)
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Key {}

impl<'a> Borrow<dyn Listed + 'a> for Key {
    fn borrow(&self) -> &(dyn Listed + 'a) {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_order_as_full_paths_with_the_slash_of_directories() {
        let key = |text: &str| {
            let path = FsPath::new(text).unwrap();
            Key { path, is_dir: text.ends_with('/') }
        };
        let texts = ["a", "a-b", "a.b", "a/", "a/-", "a/b", "a/b/", "a/b/c", "a0", "é/", "é/x", "😀"];
        for (at, text) in texts.iter().enumerate() {
            for (other_at, other) in texts.iter().enumerate() {
                assert_eq!(key(text).cmp(&key(other)), at.cmp(&other_at), "{text} {other}");
                let (place, other) = (Place(text), Place(other));
                let (place, other): (&dyn Listed, &dyn Listed) = (&place, &other);
                assert_eq!(place.cmp(other), at.cmp(&other_at));
            }
        }
    }
}
