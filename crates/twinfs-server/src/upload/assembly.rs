//! The state machine of one upload: which chunk is where, and how they become one file.
//!
//! It does no input or output. The caller asks where a chunk goes ([`Assembly::begin`]), writes it
//! there, and reports the end ([`Assembly::landed`], [`Assembly::failed`]).
//!
//! The wire does not say how long a chunk is. It is the length of any chunk but the last, so the first
//! such chunk settles it, and every chunk of that length goes straight to its place in the file. A chunk
//! whose place cannot be known (the last one before any other, one of another length, one beyond the
//! count announced) goes to a second file, *aside*, one behind the other. Completion copies what is
//! aside into place, where every other chunk already stands where it belongs; otherwise it joins all
//! chunks into a new file.

use std::collections::BTreeMap;

use super::numbers::NumberSet;

/// Where a chunk is: an offset in bytes in one of the two files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the file that becomes the result.
    File(u64),
    /// In the file beside it.
    Aside(u64),
}

/// A chunk that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// Its length in bytes.
    pub(crate) len: u64,
    /// Where it is.
    pub(crate) place: Place,
}

/// What to do with a chunk that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begin {
    /// Write it here, then say how that ended.
    Write(Place),
    /// It is here already: the first content stays.
    Received,
    /// Somebody is writing the same number now: wait for how that ends, then ask again.
    Busy,
    /// No file can be that large.
    TooFar,
}

/// Why an upload cannot be completed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Incomplete {
    /// The count received is another than the count declared.
    Count,
    /// The count is right, but these are not there.
    Missing(Vec<u64>),
}

/// Bytes to copy: from a place, to an offset in the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Where they are.
    pub(crate) from: Place,
    /// How many.
    pub(crate) len: u64,
    /// Where they belong.
    pub(crate) to: u64,
}

/// How the chunks become one file of `len` bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Join {
    /// The length of the result.
    pub(crate) len: u64,
    /// What to copy.
    pub(crate) pieces: Vec<Piece>,
    /// Into which file.
    pub(crate) into: Destination,
}

/// The file a [`Join`] copies into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    /// The one that most chunks are in already.
    Same,
    /// A new one.
    New,
}

/// The chunks of one upload.
#[derive(Clone, Debug)]
pub(crate) struct Assembly {
    /// The count announced when the upload was started; it says which chunk is the last.
    announced: u64,
    /// Length of every chunk but the last, once one has said it.
    chunk_size: Option<u64>,
    /// Chunks of exactly `chunk_size` at `number * chunk_size` in the file.
    regular: NumberSet,
    /// All other chunks.
    odd: BTreeMap<u64, Chunk>,
    /// Chunks being written.
    pending: BTreeMap<u64, Chunk>,
    /// Where the next chunk aside goes.
    aside_end: u64,
    /// Bytes received.
    bytes: u64,
    /// The end of what was ever written to the file, failed writes included; `None` after a restart,
    /// which may have cut off writes that nothing tells of.
    written_end: Option<u64>,
}

impl Assembly {
    /// An upload of which this many chunks were announced.
    pub(crate) fn new(announced: u64) -> Self {
        Self {
            announced,
            chunk_size: None,
            regular: NumberSet::default(),
            odd: BTreeMap::new(),
            pending: BTreeMap::new(),
            aside_end: 0,
            bytes: 0,
            written_end: Some(0),
        }
    }

    /// An upload as it was before a restart.
    pub(crate) fn restore(announced: u64, chunks: impl IntoIterator<Item = (u64, Chunk)>) -> Self {
        let mut assembly = Self { written_end: None, ..Self::new(announced) };
        let chunks: Vec<_> = chunks.into_iter().collect();
        // The last chunk's place says the length as well as any other's own length does.
        assembly.chunk_size = chunks.iter().find_map(|&(number, chunk)| match chunk.place {
            Place::File(offset) if number > 0 => offset.checked_div(number),
            Place::File(_) if announced > 1 => Some(chunk.len),
            _ => None,
        });
        for (number, chunk) in chunks {
            if let Place::Aside(offset) = chunk.place {
                assembly.aside_end = assembly.aside_end.max(offset.saturating_add(chunk.len));
            }
            assembly.keep(number, chunk);
        }
        assembly
    }

    /// Bytes received.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many different chunks were received.
    pub(crate) fn received(&self) -> u64 {
        self.regular.len() + self.odd.len() as u64
    }

    /// The numbers of the chunks received, in order.
    pub(crate) fn numbers(&self) -> Vec<u64> {
        let mut numbers: Vec<u64> = self.regular.iter().chain(self.odd.keys().copied()).collect();
        numbers.sort_unstable();
        numbers
    }

    /// Whether no chunk is being written.
    pub(crate) fn is_settled(&self) -> bool {
        self.pending.is_empty()
    }

    /// Whether the file beside the chunks' own bytes holds nothing and is as long as this.
    pub(crate) fn ends_at(&self, len: u64) -> bool {
        self.written_end == Some(len)
    }

    /// A chunk that was received.
    pub(crate) fn chunk(&self, number: u64) -> Option<Chunk> {
        if self.regular.contains(number) {
            let len = self.chunk_size?;
            return Some(Chunk { len, place: Place::File(number.checked_mul(len)?) });
        }
        self.odd.get(&number).copied()
    }

    /// Says what to do with a chunk that arrived whole.
    pub(crate) fn begin(&mut self, number: u64, len: u64) -> Begin {
        if self.regular.contains(number) || self.odd.contains_key(&number) {
            return Begin::Received;
        }
        if self.pending.contains_key(&number) {
            return Begin::Busy;
        }
        // An end past the largest offset of a file (2^63 - 1) fits nowhere.
        let fits = |offset: u64| offset.checked_add(len).is_some_and(|end| i64::try_from(end).is_ok());
        let place = match self.offset_in_file(number, len) {
            Some(offset) if fits(offset) => {
                self.written_end = self.written_end.map(|end| end.max(offset + len));
                Place::File(offset)
            }
            _ if number == u64::MAX || !fits(self.aside_end) => return Begin::TooFar,
            _ => {
                let offset = self.aside_end;
                self.aside_end += len;
                Place::Aside(offset)
            }
        };
        self.pending.insert(number, Chunk { len, place });
        Begin::Write(place)
    }

    /// The place of a chunk in the file, where it can be known.
    fn offset_in_file(&mut self, number: u64, len: u64) -> Option<u64> {
        let last = self.announced.checked_sub(1)?;
        if number > last {
            return None;
        }
        if number == last {
            return if number == 0 { Some(0) } else { number.checked_mul(self.chunk_size?) };
        }
        // An empty chunk says nothing of the others' length.
        if len == 0 {
            return None;
        }
        if *self.chunk_size.get_or_insert(len) == len { number.checked_mul(len) } else { None }
    }

    /// The chunk was written: from now on it counts.
    pub(crate) fn landed(&mut self, number: u64) {
        if let Some(chunk) = self.pending.remove(&number) {
            self.keep(number, chunk);
        }
    }

    /// The chunk was not written: it may be sent again.
    pub(crate) fn failed(&mut self, number: u64) {
        self.pending.remove(&number);
        let file_is_used = |chunk: &Chunk| matches!(chunk.place, Place::File(_));
        if self.regular.is_empty()
            && !self.odd.values().any(file_is_used)
            && !self.pending.values().any(file_is_used)
        {
            // Nothing relies on the length that the lost chunk gave.
            self.chunk_size = None;
        }
    }

    fn keep(&mut self, number: u64, chunk: Chunk) {
        self.bytes = self.bytes.saturating_add(chunk.len);
        let regular = self.chunk_size.is_some_and(|size| {
            chunk.len == size && number.checked_mul(size).map(Place::File) == Some(chunk.place)
        });
        if regular {
            self.regular.insert(number);
        } else {
            self.odd.insert(number, chunk);
        }
    }

    /// Whether exactly the chunks `0..total` were received.
    ///
    /// # Errors
    /// What is wrong, in the words of the wire.
    pub(crate) fn check(&self, total: i64) -> Result<u64, Incomplete> {
        let total = u64::try_from(total).map_err(|_| Incomplete::Count)?;
        if self.received() != total {
            return Err(Incomplete::Count);
        }
        let last = self.regular.last().max(self.odd.last_key_value().map(|(&number, _)| number));
        if last.is_none_or(|last| last < total) {
            return Ok(total);
        }
        let present = |number: &u64| self.regular.contains(*number) || self.odd.contains_key(number);
        Err(Incomplete::Missing((0..total).filter(|number| !present(number)).collect()))
    }

    /// How the chunks `0..total`, which must all be there, become one file.
    pub(crate) fn join(&self, total: u64) -> Join {
        self.join_in_place(total).unwrap_or_else(|| self.join_anew(total))
    }

    /// What is aside goes into its place, if every chunk in the file is already in its own.
    fn join_in_place(&self, total: u64) -> Option<Join> {
        let mut pieces = Vec::new();
        let (mut next, mut end) = (0_u64, 0_u64);
        for (&number, chunk) in &self.odd {
            end = self.after_regular(next, number, end)?;
            match chunk.place {
                Place::File(offset) if offset == end => {}
                Place::File(_) => return None,
                Place::Aside(_) if chunk.len > 0 => {
                    pieces.push(Piece { from: chunk.place, len: chunk.len, to: end });
                }
                Place::Aside(_) => {}
            }
            end = end.checked_add(chunk.len)?;
            next = number + 1;
        }
        let len = self.after_regular(next, total, end)?;
        Some(Join { len, pieces, into: Destination::Same })
    }

    /// The end after the regular chunks `from..to` if they begin at `end`; `None` if they are elsewhere.
    fn after_regular(&self, from: u64, to: u64, end: u64) -> Option<u64> {
        if from == to {
            return Some(end);
        }
        let size = self.chunk_size?;
        if from.checked_mul(size)? == end { to.checked_mul(size) } else { None }
    }

    /// All chunks into a new file; neighbours are copied as one piece.
    fn join_anew(&self, total: u64) -> Join {
        let mut pieces: Vec<Piece> = Vec::new();
        let mut end = 0_u64;
        for chunk in (0..total).filter_map(|number| self.chunk(number)).filter(|chunk| chunk.len > 0) {
            match pieces.last_mut() {
                Some(last) if follows(last, chunk.place) => last.len += chunk.len,
                _ => pieces.push(Piece { from: chunk.place, len: chunk.len, to: end }),
            }
            end = end.saturating_add(chunk.len);
        }
        Join { len: end, pieces, into: Destination::New }
    }
}

fn follows(piece: &Piece, place: Place) -> bool {
    match (piece.from, place) {
        (Place::File(from), Place::File(next)) | (Place::Aside(from), Place::Aside(next)) => {
            from + piece.len == next
        }
        _ => false,
    }
}

#[cfg(test)]
#[path = "assembly_tests.rs"]
mod tests;
