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
            /// Bytes before the position of `file` that nobody has asked for yet.
            ahead: Bytes,
            /// How many bytes the next block has.
            reach: usize,
            closed: bool,
        }

        impl<S: Store> PathFile<S> {
            fn new(file: File<S>) -> Self {
                Self { file, ahead: Bytes::new(), reach: FIRST_AHEAD, closed: false }
            }

            /// The file below.
            pub fn file(&self) -> &File<S> {
                &self.file
            }

            /// The position, in bytes from the start.
            pub fn position(&self) -> u64 {
                self.file.position() - self.ahead.len() as u64
            }

            /// The next `len` bytes, if they are here already: what [`PathIo::read`] gives without asking
            /// the store.
            pub fn read_ahead(&mut self, len: usize) -> Option<Bytes> {
                (len <= self.ahead.len() && !self.ahead.is_empty()).then(|| self.ahead.split_to(len))
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
                if let Some(bytes) = self.read_ahead(len) {
                    return Ok(bytes);
                }
                let missing = len - self.ahead.len();
                let alone = self.file.mode() != Mode::Read || missing >= self.reach;
                let wanted = match alone {
                    true if missing > MOST_AHEAD => $wait!(self.rest(missing))?,
                    true => missing,
                    false => self.reach,
                };
                // Dropped before it is ready, it has changed nothing.
                let mut fetched = $wait!(self.file.read(wanted))?;
                if !alone && fetched.len() == wanted {
                    self.reach = (self.reach * 2).min(MOST_AHEAD);
                }
                let mut bytes = fetched.split_to(missing.min(fetched.len()));
                let before = std::mem::replace(&mut self.ahead, fetched);
                if !before.is_empty() {
                    let mut joined = BytesMut::with_capacity(before.len() + bytes.len());
                    joined.extend_from_slice(&before);
                    joined.extend_from_slice(&bytes);
                    bytes = joined.freeze();
                }
                Ok(bytes)
            }

            /// So many bytes, or what the file has left, so that no room is made for more.
            $($async)? fn rest(&self, len: usize) -> Result<usize> {
                let rest = $wait!(self.file.len())?.saturating_sub(self.file.position());
                Ok(usize::try_from(rest).map_or(len, |rest| rest.min(len)))
            }

            $($async)? fn seek(&mut self, to: SeekFrom) -> Result<u64> {
                let to = match to {
                    // From where the caller is, not from where was read ahead.
                    SeekFrom::Current(_) => SeekFrom::Start(seek_to(self.position(), 0, to)?),
                    other => other,
                };
                let position = $wait!(self.file.seek(to))?;
                self.ahead = Bytes::new();
                Ok(position)
            }

            $($async)? fn write(&mut self, data: Data<'_>) -> Result<usize> {
                let len = data.len();
                $wait!(self.file.write(data))?;
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
