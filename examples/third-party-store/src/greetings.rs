//! A read-only store with one file per language.

use bytes::Bytes;
use twinfs::{
    BlockingFile, BlockingLister, BlockingStore, Capabilities, CreateDirOptions, Data, Entry, EntryKind,
    Error, ErrorKind, FsPath, ListOptions, Metadata, MoveOptions, OpenOptions, ReadOptions, RemoveOptions,
    Result, StageOptions, Staged, StagedId, StatOptions, WriteOptions,
};

/// A read-only tree: `LANGUAGE.txt` for each language it was made with, each with a greeting.
#[derive(Debug)]
pub struct Greetings {
    /// Sorted, as listings must be.
    files: Vec<(FsPath, Bytes)>,
}

impl Greetings {
    /// A store of these languages.
    ///
    /// # Errors
    /// `InvalidPath` for a language that is no file name, `InvalidInput` for one without a greeting.
    pub fn new<'a>(languages: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let mut files = languages
            .into_iter()
            .map(|language| {
                let greeting = match language {
                    "en" => "hello",
                    "de" => "hallo",
                    "es" => "hola",
                    _ => {
                        return Err(
                            Error::new(ErrorKind::InvalidInput).with_message("languages are en, de, es")
                        );
                    }
                };
                Ok((FsPath::new(&format!("{language}.txt"))?, Bytes::from_static(greeting.as_bytes())))
            })
            .collect::<Result<Vec<_>>>()?;
        files.sort();
        files.dedup();
        Ok(Self { files })
    }

    fn find(&self, path: &FsPath) -> Result<&Bytes> {
        if path.is_root() {
            return Err(ErrorKind::IsADirectory.into());
        }
        match self.files.binary_search_by(|(name, _)| name.cmp(path)) {
            Ok(index) => Ok(&self.files[index].1),
            Err(_) => Err(ErrorKind::NotFound.into()),
        }
    }
}

/// The faces refuse what [`Capabilities::read_only`] does not declare before they come here.
fn refuse<T>() -> Result<T> {
    Err(ErrorKind::Unsupported.into())
}

impl BlockingStore for Greetings {
    fn scheme(&self) -> &'static str {
        "greetings"
    }

    fn capabilities(&self) -> &Capabilities {
        const READ_ONLY: Capabilities = Capabilities::read_only();
        &READ_ONLY
    }

    fn is_instant(&self) -> bool {
        true
    }

    fn stat(&self, path: &FsPath, _: &StatOptions) -> Result<Metadata> {
        if path.is_root() {
            return Ok(Metadata::new(EntryKind::Directory, 0));
        }
        Ok(Metadata::new(EntryKind::File, self.find(path)?.len() as u64))
    }

    fn read(&self, path: &FsPath, options: &ReadOptions) -> Result<Bytes> {
        let text = self.find(path)?;
        let (start, len) = options.range.resolve(text.len() as u64);
        // Both are within the text, whose length is a usize.
        Ok(text.slice(start as usize..(start + len) as usize))
    }

    fn open(&self, path: &FsPath, _: &OpenOptions) -> Result<Box<dyn BlockingFile>> {
        Ok(Box::new(Greeting(self.find(path)?.clone())))
    }

    fn list(&self, path: &FsPath, options: &ListOptions) -> Result<Box<dyn BlockingLister>> {
        let entry = |(path, text): &(FsPath, Bytes)| {
            let mut entry = Entry::new(path.clone(), EntryKind::File);
            entry.metadata = options.metadata.then(|| Metadata::new(EntryKind::File, text.len() as u64));
            entry
        };
        let after = options.start_after.as_deref().unwrap_or("");
        let entries: Vec<Entry> = if path.is_root() {
            self.files.iter().filter(|(name, _)| name.as_str() > after).map(entry).collect()
        } else {
            vec![entry(&(path.clone(), self.find(path)?.clone()))]
        };
        Ok(Box::new(Listing(entries.into_iter())))
    }

    fn write(&self, _: &FsPath, _: &Data<'_>, _: &WriteOptions) -> Result<Metadata> {
        refuse()
    }

    fn create_dir(&self, _: &FsPath, _: &CreateDirOptions) -> Result<()> {
        refuse()
    }

    fn remove(&self, _: &FsPath, _: &RemoveOptions) -> Result<()> {
        refuse()
    }

    fn remove_dir(&self, _: &FsPath, _: &RemoveOptions) -> Result<()> {
        refuse()
    }

    fn remove_all(&self, _: &FsPath, _: &RemoveOptions) -> Result<()> {
        refuse()
    }

    fn rename(&self, _: &FsPath, _: &FsPath, _: &MoveOptions) -> Result<()> {
        refuse()
    }

    fn copy(&self, _: &FsPath, _: &FsPath, _: &MoveOptions) -> Result<Metadata> {
        refuse()
    }

    fn stage(&self, _: &StageOptions) -> Result<StagedId> {
        refuse()
    }

    fn reopen(&self, _: &StagedId) -> Result<Box<dyn BlockingFile>> {
        refuse()
    }

    fn publish(&self, _: &StagedId, _: &FsPath, _: &WriteOptions) -> Result<Metadata> {
        refuse()
    }

    fn discard(&self, _: &StagedId) -> Result<()> {
        refuse()
    }

    fn list_staged(&self) -> Result<Vec<Staged>> {
        refuse()
    }
}

/// An open greeting.
struct Greeting(Bytes);

impl BlockingFile for Greeting {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.0.get(offset..)).unwrap_or_default();
        let count = rest.len().min(buf.len());
        buf[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write_at(&self, _: u64, _: &Data<'_>) -> Result<()> {
        refuse()
    }

    fn len(&self) -> Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn metadata(&self) -> Result<Metadata> {
        Ok(Metadata::new(EntryKind::File, self.0.len() as u64))
    }

    fn set_len(&self, _: u64) -> Result<()> {
        refuse()
    }

    fn flush(&self) -> Result<()> {
        Ok(())
    }

    fn commit(&self) -> Result<Metadata> {
        self.metadata()
    }

    fn abort(&self) -> Result<()> {
        Ok(())
    }
}

/// A running listing.
struct Listing(std::vec::IntoIter<Entry>);

impl BlockingLister for Listing {
    fn next_page(&mut self, max: usize) -> Result<Vec<Entry>> {
        Ok(self.0.by_ref().take(max).collect())
    }
}
