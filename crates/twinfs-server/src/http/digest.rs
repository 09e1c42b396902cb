//! `Twinfs-Digest`: the digest of a chunk's bytes, written as RFC 9530 writes digests:
//! `sha-256=:BASE64:`. A chunk that differs from it was damaged on its way.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, HeaderName};
use sha2::{Digest, Sha256};

use super::error::{ApiError, ApiResult};

/// The header.
pub(crate) const TWINFS_DIGEST: HeaderName = HeaderName::from_static("twinfs-digest");

/// A SHA-256 digest that was announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Announced([u8; 32]);

impl Announced {
    /// Reads the header; digests of other algorithms count for nothing.
    pub(crate) fn read(headers: &HeaderMap) -> ApiResult<Option<Self>> {
        for value in headers.get_all(TWINFS_DIGEST) {
            let text = value.to_str().unwrap_or_default();
            for (algorithm, digest) in text.split(',').filter_map(|one| one.trim().split_once('=')) {
                if algorithm.eq_ignore_ascii_case("sha-256") {
                    let wrong = || ApiError::validation("Twinfs-Digest is not sha-256=:BASE64:");
                    return decode(digest).map(|digest| Some(Self(digest))).ok_or_else(wrong);
                }
            }
        }
        Ok(None)
    }

    /// Whether these bytes are the ones announced.
    pub(crate) fn fits(&self, data: &[u8]) -> bool {
        Sha256::digest(data)[..] == self.0
    }
}

fn decode(text: &str) -> Option<[u8; 32]> {
    let base64 = text.trim().strip_prefix(':')?.strip_suffix(':')?;
    BASE64_STANDARD.decode(base64).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &'static str) -> Option<bool> {
        let headers = HeaderMap::from_iter([(TWINFS_DIGEST, http::HeaderValue::from_static(value))]);
        Announced::read(&headers).unwrap().map(|announced| announced.fits(b"abc"))
    }

    #[test]
    fn digests_are_read_as_the_rfc_writes_them() {
        assert_eq!(read("sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:"), Some(true));
        assert_eq!(read("md5=:x:, SHA-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"), Some(false));
        assert_eq!(read("sha-512=:AAAA:"), None);
        let bad = HeaderMap::from_iter([(TWINFS_DIGEST, http::HeaderValue::from_static("sha-256=:AAAA:"))]);
        assert!(Announced::read(&bad).is_err());
    }
}
