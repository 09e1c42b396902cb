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

/// An object is checked in blocks of so many bytes: what a core's cache holds, and what several cores can
/// do side by side.
pub(super) const BLOCK: usize = 256 * 1024;

/// The checksum of an object: XXH3-64 of its bytes; of one longer than a block, that of the checksums
/// of its blocks.
pub(super) fn checksum(object: &[u8]) -> u64 {
    joined(object.chunks(BLOCK).map(XxHash3_64::oneshot))
}

/// The checksum of an object from those of its blocks.
pub(super) fn joined(mut blocks: impl ExactSizeIterator<Item = u64>) -> u64 {
    if blocks.len() < 2 {
        return blocks.next().unwrap_or_else(|| XxHash3_64::oneshot(&[]));
    }
    let mut sum = XxHash3_64::default();
    blocks.for_each(|block| sum.write(&block.to_le_bytes()));
    sum.finish()
}

/// The head of an object: magic, length and checksum, numbers in little endian.
pub(super) fn head(object: &[u8]) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    head[..8].copy_from_slice(&MAGIC);
    head[8..16].copy_from_slice(&(object.len() as u64).to_le_bytes());
    head[16..].copy_from_slice(&checksum(object).to_le_bytes());
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
    head.check(checksum(&object))?;
    Ok(object)
}

/// A checksum of bytes that come in pieces.
#[derive(Default)]
pub(super) struct Sum {
    /// The block under way, and how many of its bytes there are.
    block: XxHash3_64,
    filled: usize,
    /// The checksums of the blocks before it.
    blocks: Vec<u64>,
}

impl Sum {
    pub(super) fn add(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK - self.filled));
            if now.len() == BLOCK {
                self.blocks.push(XxHash3_64::oneshot(now));
            } else {
                self.block.write(now);
                self.filled += now.len();
                if self.filled == BLOCK {
                    self.blocks.push(std::mem::take(&mut self.block).finish());
                    self.filled = 0;
                }
            }
            bytes = later;
        }
    }

    pub(super) fn finish(&self) -> u64 {
        let mut blocks = self.blocks.clone();
        if self.filled > 0 {
            blocks.push(self.block.finish());
        }
        joined(blocks.into_iter())
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
        let object: Vec<u8> = (0..2 * BLOCK as u32 + 5).map(|number| (number % 251) as u8).collect();
        for len in [0, 1, 5000, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 2 * BLOCK + 5] {
            for piece in [333, 4096, BLOCK, BLOCK + 7] {
                let mut sum = Sum::default();
                object[..len].chunks(piece).for_each(|piece| sum.add(piece));
                assert_eq!(sum.finish(), checksum(&object[..len]), "{len} bytes in pieces of {piece}");
            }
        }
    }

    #[test]
    fn the_format_is_what_it_was() {
        // XXH3-64 of "hello" as the reference implementation has it.
        let expected =
            [&b"twinobj\x01\x05\0\0\0\0\0\0\0"[..], &0x9555_e855_5c62_dcfd_u64.to_le_bytes(), b"hello"];
        assert_eq!(framed(b"hello"), expected.concat());
    }
}
