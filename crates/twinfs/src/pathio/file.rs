//! The open file of a file system: it reads ahead where it only reads.

/// The first block that a reader fetches ahead, in bytes; each further one is twice as long.
pub(super) const FIRST_AHEAD: usize = 64 * 1024;
/// The longest block that a reader fetches ahead, in bytes: the most an open file holds.
pub(super) const MOST_AHEAD: usize = 256 * 1024;

/// Emits the open file for one face.
macro_rules! file {
    (
        async [$($async:tt)?] wait $wait:ident answer $answer:ident text $text:ident into $into:ident
        examples [$first:literal, $await:literal, $next:literal, $last:literal]
        twin $twin:literal
    ) => {
        /// An open file of a [`FsPathIo`]: an [`Fs`]'s file, with bytes read ahead where it only reads.
        pub struct PathFile<S: Store = DynStore<Face>> {
            file: File<S>,
            position: u64,
            /// Bytes from the position on that nobody has asked for yet.
            ahead: Bytes,
            /// How many bytes the next block has.
            reach: usize,
            closed: bool,
        }

        impl<S: Store> PathFile<S> {
            fn new(file: File<S>) -> Self {
                Self { file, position: 0, ahead: Bytes::new(), reach: FIRST_AHEAD, closed: false }
            }

            /// The file below.
            pub fn file(&self) -> &File<S> {
                &self.file
            }

            /// The position, in bytes from the start.
            pub fn position(&self) -> u64 {
                self.position
            }

            /// The next `len` bytes, if they can be had without waiting: what [`PathIo::read`] gives without
            /// asking the store, or the store without a hop.
            ///
            /// `None` means that it would have to wait, would fail, or is longer than
            /// [`turn::MAX_BYTES`](crate::turn::MAX_BYTES).
            pub fn try_read(&mut self, len: usize) -> Option<Bytes> {
                if self.ahead.is_empty() && self.file.mode() == Mode::Read && len <= MAX_BYTES {
                    let mut block = vec![0; len.max(self.reach).min(MAX_BYTES)];
                    let count = self.file.try_read_into_at(self.position, &mut block)?;
                    block.truncate(count);
                    self.ahead = block.into();
                    return Some(self.take(len));
                }
                (len <= self.ahead.len() && len > 0).then(|| self.take(len))
            }

            /// Takes so many of the bytes that were read ahead, or all.
            fn take(&mut self, len: usize) -> Bytes {
                let bytes = self.ahead.split_to(len.min(self.ahead.len()));
                self.position += bytes.len() as u64;
                bytes
            }

            /// Closes the file and drops what is not published yet.
            ///
            /// # Errors
            /// Those of the store.
            pub $($async)? fn abort(&mut self) -> Result<()> {
                self.ahead = Bytes::new();
                $wait!(self.file.abort())?;
                self.closed = true;
                Ok(())
            }

            $($async)? fn read(&mut self, len: usize) -> Result<Bytes> {
                if len <= self.ahead.len() {
                    return Ok(self.take(len));
                }
                let before = self.ahead.clone();
                let (missing, offset) = (len - before.len(), self.position + before.len() as u64);
                let alone = self.file.mode() != Mode::Read || missing >= self.reach;
                let wanted = match alone {
                    true if missing > MOST_AHEAD => $wait!(self.rest(offset, missing))?,
                    true => missing,
                    false => self.reach,
                };
                // Dropped before it is ready, it has changed nothing.
                let mut fetched = $wait!(self.file.read_at(offset, wanted))?;
                if !alone && fetched.len() == wanted {
                    self.reach = (self.reach * 2).min(MOST_AHEAD);
                }
                let mut bytes = fetched.split_to(missing.min(fetched.len()));
                self.ahead = fetched;
                if !before.is_empty() {
                    let mut joined = BytesMut::with_capacity(before.len() + bytes.len());
                    joined.extend_from_slice(&before);
                    joined.extend_from_slice(&bytes);
                    bytes = joined.freeze();
                }
                self.position += bytes.len() as u64;
                Ok(bytes)
            }

            /// So many bytes, or what the file has from an offset on, so that no room is made for more.
            $($async)? fn rest(&self, offset: u64, len: usize) -> Result<usize> {
                let rest = $wait!(self.file.len())?.saturating_sub(offset);
                Ok(usize::try_from(rest).map_or(len, |rest| rest.min(len)))
            }

            $($async)? fn seek(&mut self, to: SeekFrom) -> Result<u64> {
                let len = if matches!(to, SeekFrom::End(_)) { $wait!(self.file.len())? } else { 0 };
                self.position = seek_to(self.position, len, to)?;
                self.ahead = Bytes::new();
                Ok(self.position)
            }

            $($async)? fn write(&mut self, data: Data<'_>) -> Result<usize> {
                let len = data.len();
                $wait!(self.file.write_at(self.position, data))?;
                self.position = match self.file.mode() {
                    Mode::Append => $wait!(self.file.len())?,
                    _ => self.position + len as u64,
                };
                Ok(len)
            }

            $($async)? fn close(&mut self) -> Result<()> {
                if self.closed {
                    return Ok(());
                }
                self.ahead = Bytes::new();
                $wait!(self.file.commit())?;
                self.closed = true;
                Ok(())
            }
        }

        impl<S: Store> std::fmt::Debug for PathFile<S> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct("PathFile")
                    .field("path", self.file.path())
                    .field("mode", &self.file.mode())
                    .field("position", &self.position())
                    .finish_non_exhaustive()
            }
        }
    };
}

pub(super) use file;
