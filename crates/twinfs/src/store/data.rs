//! Bytes on their way into a store.

use bytes::Bytes;

/// Bytes to write: owned, so that they can move to another thread without a copy, or borrowed, so
/// that the sync face needs none either.
///
/// ```
/// use twinfs::Data;
///
/// assert_eq!(Data::from("hi").len(), 2);
/// assert_eq!(&*Data::from(vec![1, 2]).into_bytes(), [1, 2]);
/// ```
#[derive(Clone, Debug)]
pub enum Data<'a> {
    /// Shared, reference-counted bytes.
    Owned(Bytes),
    /// Bytes of the caller; copied where they must outlive the call.
    Borrowed(&'a [u8]),
}

impl Data<'_> {
    /// The bytes as shared ones; copies borrowed bytes.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        match self {
            Self::Owned(bytes) => bytes,
            Self::Borrowed(slice) => Bytes::copy_from_slice(slice),
        }
    }

    /// The same bytes, shared; copies borrowed bytes.
    #[must_use]
    pub fn to_owned_data(&self) -> Data<'static> {
        Data::Owned(self.clone().into_bytes())
    }
}

impl std::ops::Deref for Data<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Owned(bytes) => bytes,
            Self::Borrowed(slice) => slice,
        }
    }
}

impl From<Bytes> for Data<'_> {
    fn from(bytes: Bytes) -> Self {
        Self::Owned(bytes)
    }
}

impl From<&Bytes> for Data<'_> {
    fn from(bytes: &Bytes) -> Self {
        Self::Owned(bytes.clone())
    }
}

impl From<Vec<u8>> for Data<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Owned(bytes.into())
    }
}

impl From<String> for Data<'_> {
    fn from(text: String) -> Self {
        Self::Owned(text.into())
    }
}

impl<'a> From<&'a [u8]> for Data<'a> {
    fn from(slice: &'a [u8]) -> Self {
        Self::Borrowed(slice)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Data<'a> {
    fn from(slice: &'a [u8; N]) -> Self {
        Self::Borrowed(slice)
    }
}

impl<'a> From<&'a Vec<u8>> for Data<'a> {
    fn from(slice: &'a Vec<u8>) -> Self {
        Self::Borrowed(slice)
    }
}

impl<'a> From<&'a str> for Data<'a> {
    fn from(text: &'a str) -> Self {
        Self::Borrowed(text.as_bytes())
    }
}

/// The bytes of several parts as one piece; a single part is not copied.
pub(crate) fn join<'a>(parts: &[Data<'a>]) -> Data<'a> {
    match parts {
        [one] => one.clone(),
        _ => Data::Owned(parts.iter().map(|part| &**part).collect::<Vec<&[u8]>>().concat().into()),
    }
}

/// One staged upload of a `publish_many`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishItem {
    /// Which.
    pub id: super::StagedId,
    /// Where it is to be.
    pub path: crate::FsPath,
}

/// One file of a `write_many`.
#[derive(Clone, Debug)]
pub struct WriteItem<'a> {
    /// Where.
    pub path: crate::FsPath,
    /// What.
    pub data: Data<'a>,
}
