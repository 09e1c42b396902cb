//! What stands before an object's bytes in its file: that it is one, its length, a checksum.

use std::hash::Hasher;

use bytes::Bytes;
use twox_hash::XxHash3_64;

use crate::error::{Error, ErrorKind, Operation};
use crate::path::FsPath;

/// The first bytes of every object; the last of them is the version of this format.
const MAGIC: [u8; 8] = *b"twinobj\x01";
/// The length of a head in bytes.
pub(super) const HEAD: usize = 24;

/// The head of an object: magic, length and XXH3-64 of its bytes, numbers in little endian.
pub(super) fn head(object: &[u8]) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    head[..8].copy_from_slice(&MAGIC);
    head[8..16].copy_from_slice(&(object.len() as u64).to_le_bytes());
    head[16..].copy_from_slice(&XxHash3_64::oneshot(object).to_le_bytes());
    head
}

/// The object as its file has it.
pub(super) fn framed(object: &[u8]) -> Vec<u8> {
    [&head(object)[..], object].concat()
}

/// What a head says.
#[derive(Clone, Copy)]
pub(super) struct Head {
    pub(super) len: u64,
    sum: u64,
}

impl Head {
    /// Reads the head of a file that has `len` bytes in all, where that is known.
    pub(super) fn read(file: &[u8], len: Option<u64>) -> Result<Self, &'static str> {
        let Some((magic, rest)) = file.split_first_chunk::<8>() else { return Err(CUT) };
        let Some((number, rest)) = rest.split_first_chunk::<8>() else { return Err(CUT) };
        let Some((sum, _)) = rest.split_first_chunk::<8>() else { return Err(CUT) };
        if *magic != MAGIC {
            return Err("the file is no object of twinfs, or its first bytes have changed");
        }
        let head = Self { len: u64::from_le_bytes(*number), sum: u64::from_le_bytes(*sum) };
        match len {
            Some(len) if head.len.checked_add(HEAD as u64) != Some(len) => Err(CUT),
            _ => Ok(head),
        }
    }

    pub(super) fn check(self, sum: u64) -> Result<(), &'static str> {
        if self.sum == sum {
            Ok(())
        } else {
            Err("bytes of the object have changed: its checksum is another")
        }
    }
}

/// What is said where a file has other bytes than its head says.
pub(super) const CUT: &str = "the object was cut, or bytes were added to it: its length is another";

/// The object in a whole file.
pub(super) fn open(file: Bytes) -> Result<Bytes, &'static str> {
    let head = Head::read(&file, Some(file.len() as u64))?;
    let object = file.slice(HEAD..);
    head.check(XxHash3_64::oneshot(&object))?;
    Ok(object)
}

/// A checksum of bytes that come in pieces.
#[derive(Default)]
pub(super) struct Sum(XxHash3_64);

impl Sum {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    pub(super) fn finish(&self) -> u64 {
        self.0.finish()
    }
}

/// The error of an object whose bytes are not what was put.
pub(super) fn damaged(path: &FsPath, scheme: &'static str, message: &'static str) -> Error {
    Error::new(ErrorKind::Io)
        .with_operation(Operation::Read)
        .with_path(path)
        .with_store(scheme)
        .with_message(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_changed_cut_or_added_byte_is_found() {
        let object: Vec<u8> = (0..300_u32).map(|number| (number % 251) as u8).collect();
        for len in [0, 1, 23, 300] {
            let whole = framed(&object[..len]);
            assert_eq!(open(whole.clone().into()).unwrap(), object[..len]);
            for place in 0..whole.len() {
                let mut changed = whole.clone();
                changed[place] ^= 0x10;
                assert!(open(changed.into()).is_err(), "byte {place} of {len}");
                assert!(open(whole[..place].to_vec().into()).is_err(), "cut to {place} of {len}");
            }
            assert!(open([&whole[..], b"x"].concat().into()).is_err());
        }
    }

    #[test]
    fn a_checksum_in_pieces_is_that_of_the_whole() {
        let object = framed(&[7; 5000]);
        let mut sum = Sum::default();
        for piece in object.chunks(333) {
            sum.add(piece);
        }
        assert_eq!(sum.finish(), XxHash3_64::oneshot(&object));
    }

    #[test]
    fn the_format_is_what_it_was() {
        // XXH3-64 of "hello" as the reference implementation has it.
        let expected =
            [&b"twinobj\x01\x05\0\0\0\0\0\0\0"[..], &0x9555_e855_5c62_dcfd_u64.to_le_bytes(), b"hello"];
        assert_eq!(framed(b"hello"), expected.concat());
    }
}
