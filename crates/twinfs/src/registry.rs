//! The URL registry: from `memory://NAME`, `/dir`, `run+http://HOST:PORT/FID` to a store.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use crate::blocking;
use crate::error::{Error, ErrorContext, ErrorKind, Operation, Result};
use crate::face::asynchronous::Fs;
use crate::fork;
use crate::location::Location;
use crate::pool;
use crate::store::{AnyStore, Durability, DynStore, SyncFace};
use crate::stores::local::{LocalOptions, LocalStore};
use crate::stores::memory::{MemoryOptions, MemoryStore};
#[cfg(feature = "http")]
use crate::{path::FsPath, stores::run::RunStore};

/// The options of a store by name: keywords, a URL's query and the environment come together here.
///
/// `Debug` shows the names and never the values, which may be secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct StoreOptions(BTreeMap<String, String>);

impl StoreOptions {
    /// No options.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with this option.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.insert(name.into(), value.into());
        self
    }

    /// Takes an option out, so that what is left in the end is unknown.
    pub fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    /// Takes an option out and parses it.
    ///
    /// # Errors
    /// `InvalidInput`, naming the option and never its value.
    pub fn take_parsed<T: std::str::FromStr>(&mut self, name: &str, expected: &str) -> Result<Option<T>> {
        match self.0.remove(name) {
            None => Ok(None),
            Some(text) => {
                text.parse().map(Some).map_err(|_| invalid(format!("option '{name}' must be {expected}")))
            }
        }
    }

    /// Takes a duration out: seconds, with a fraction if need be.
    ///
    /// # Errors
    /// As [`take_parsed`](Self::take_parsed).
    pub fn take_seconds(&mut self, name: &str) -> Result<Option<Duration>> {
        let expected = "a positive number of seconds";
        match self.take_parsed::<f64>(name, expected)? {
            None => Ok(None),
            Some(seconds) => match Duration::try_from_secs_f64(seconds) {
                Ok(duration) if !duration.is_zero() => Ok(Some(duration)),
                _ => Err(invalid(format!("option '{name}' must be {expected}"))),
            },
        }
    }

    /// Refuses whatever is left.
    ///
    /// # Errors
    /// `InvalidInput`, naming the first unknown option and the known ones.
    pub fn finish(&self, scheme: &str, known: &str) -> Result<()> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => Err(invalid(format!("a {scheme} store has no option '{name}'; it has {known}"))),
        }
    }
}

impl fmt::Debug for StoreOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidInput).with_operation(Operation::Connect).with_message(message)
}

/// Opens a store for one scheme.
pub type Factory = Arc<dyn Fn(&Location, StoreOptions) -> Result<AnyStore> + Send + Sync>;

fn factories() -> &'static RwLock<BTreeMap<String, Factory>> {
    static FACTORIES: OnceLock<RwLock<BTreeMap<String, Factory>>> = OnceLock::new();
    FACTORIES.get_or_init(|| {
        let mut known: BTreeMap<String, Factory> = BTreeMap::new();
        known.insert("file".into(), Arc::new(open_local));
        known.insert("memory".into(), Arc::new(open_memory));
        #[cfg(feature = "http")]
        for scheme in ["run+http", "run+https"] {
            known.insert(scheme.into(), Arc::new(open_run));
        }
        RwLock::new(known)
    })
}

/// Adds a store of your own to the registry, or replaces one, for this process.
///
/// ```
/// use std::sync::Arc;
/// use twinfs::{AnyStore, registry};
///
/// registry::register("scratch", Arc::new(|_location, _options| {
///     Ok(AnyStore::Memory(Arc::new(Default::default())))
/// }));
/// let fs = twinfs::blocking::Fs::connect("scratch://x")?;
/// fs.write("a", "1")?;
/// # Ok::<(), twinfs::Error>(())
/// ```
pub fn register(scheme: &str, factory: Factory) {
    let _section = fork::section();
    let mut known = factories().write().unwrap_or_else(PoisonError::into_inner);
    known.insert(scheme.to_ascii_lowercase(), factory);
}

/// Opens the store at a URL or plain path, before it is given a face. Options win over the query's.
///
/// [`Fs::connect`](crate::Fs::connect) is this and a face; bindings that choose how operations run
/// start here.
///
/// # Errors
/// As [`Fs::connect`](crate::Fs::connect).
///
/// ```
/// use twinfs::registry::{self, StoreOptions};
///
/// let store = registry::open("memory://notes", StoreOptions::new())?;
/// twinfs::blocking::Fs::new(store.into_sync()).write("a", "1")?;
/// # Ok::<(), twinfs::Error>(())
/// ```
pub fn open(url: &str, options: StoreOptions) -> Result<AnyStore> {
    let location = Location::parse(url)?;
    let mut merged = StoreOptions(location.query.iter().cloned().collect());
    // A keyword says more than the URL it comes with.
    merged.0.extend(options.0);
    let timeout = merged.take_seconds("timeout")?;
    let factory = {
        let _section = fork::section();
        let known = factories().read().unwrap_or_else(PoisonError::into_inner);
        known.get(&location.scheme).cloned().ok_or_else(|| {
            let names: Vec<&str> = known.keys().map(String::as_str).collect();
            invalid(format!(
                "no store has the scheme '{}'; there are {}",
                location.scheme.escape_debug(),
                names.join(", ")
            ))
        })?
    };
    let store = factory(&location, merged).during(Operation::Connect)?;
    Ok(match timeout {
        None => store,
        Some(timeout) => store.limited(timeout),
    })
}

fn open_local(location: &Location, mut options: StoreOptions) -> Result<AnyStore> {
    if !matches!(location.authority.as_str(), "" | "localhost") {
        return Err(invalid("a file URL has three slashes and an absolute path: file:///dir".into()));
    }
    let mut local = LocalOptions::default();
    if let Some(durability) = options.take_parsed::<Durability>("durability", "none, file or full")? {
        local.durability = durability;
    }
    if let Some(versions) = options.take_parsed("versions", "keep or off")? {
        local.versions = versions;
    }
    if let Some(create) = options.take_parsed("create", "true or false")? {
        local.create = create;
    }
    options.finish("file", "durability, versions, create, timeout")?;
    let root = if location.path.is_empty() { "/" } else { &location.path };
    Ok(AnyStore::Blocking(Arc::new(LocalStore::open(root, local)?)))
}

fn open_memory(location: &Location, mut options: StoreOptions) -> Result<AnyStore> {
    let memory = MemoryOptions { max_bytes: options.take_parsed("max_bytes", "a number of bytes")? };
    options.finish("memory", "max_bytes, timeout")?;
    if !location.path.trim_matches('/').is_empty() {
        return Err(invalid("a memory URL is memory://NAME, without a path".into()));
    }
    let store = match location.authority.as_str() {
        "" => Arc::new(MemoryStore::new(memory)),
        name => MemoryStore::named(name, memory)?,
    };
    Ok(AnyStore::Memory(store))
}

/// `run+http://HOST:PORT/FID`, or a folder of the run below that.
#[cfg(feature = "http")]
fn open_run(location: &Location, mut options: StoreOptions) -> Result<AnyStore> {
    let token = options.take("token").or_else(|| std::env::var("TWINFS_TOKEN").ok()).unwrap_or_default();
    options.finish(&location.scheme, "token, timeout")?;
    let path = location.path.trim_start_matches('/');
    let (run, below) = path.split_once('/').unwrap_or((path, ""));
    if location.authority.is_empty() || run.is_empty() {
        return Err(invalid("the URL of a run is run+http://HOST:PORT/FID, or run+https://".into()));
    }
    let scheme = if location.scheme == "run+https" { "https" } else { "http" };
    let store = RunStore::new(run, &format!("{scheme}://{}", location.authority), &token)?;
    Ok(AnyStore::new_async(store.below(FsPath::new(below)?)))
}

impl Fs<DynStore> {
    /// Opens the store at a URL or plain path: `./dir`, `file:///dir`, `memory://NAME`,
    /// `run+http://HOST:PORT/FID`. Options stand in the query: `memory://big?max_bytes=1000000`.
    ///
    /// Every URL takes `timeout=SECONDS`, the longest an operation may take.
    ///
    /// # Errors
    /// `InvalidInput` for an unknown scheme or option, `NotFound`, `NotADirectory`, `Connection`.
    ///
    /// ```
    /// # smol::block_on(async {
    /// let fs = twinfs::Fs::connect("memory://notes").await?;
    /// fs.write("a", "1").await?;
    /// # Ok::<(), twinfs::Error>(()) }).unwrap();
    /// ```
    pub async fn connect(url: &str) -> Result<Self> {
        Self::connect_with(url, StoreOptions::new()).await
    }

    /// As [`connect`](Self::connect), with options by name; they win over the query's.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn connect_with(url: &str, options: StoreOptions) -> Result<Self> {
        let url = url.to_owned();
        let store = pool::run(move || open(&url, options)).await?;
        Ok(Self::new(store.into_async()))
    }

    /// A private tree in memory.
    #[must_use]
    pub fn memory() -> Self {
        Self::new(AnyStore::Memory(Arc::default()).into_async())
    }
}

impl blocking::Fs<DynStore<SyncFace>> {
    /// Opens the store at a URL or plain path; see [`Fs::connect`](crate::Fs::connect).
    ///
    /// # Errors
    /// As there.
    ///
    /// ```
    /// let fs = twinfs::blocking::Fs::connect("memory://notes")?;
    /// fs.write("a", "1")?;
    /// # Ok::<(), twinfs::Error>(())
    /// ```
    pub fn connect(url: &str) -> Result<Self> {
        Self::connect_with(url, StoreOptions::new())
    }

    /// As [`connect`](Self::connect), with options by name; they win over the query's.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub fn connect_with(url: &str, options: StoreOptions) -> Result<Self> {
        Ok(Self::new(open(url, options)?.into_sync()))
    }

    /// A private tree in memory.
    #[must_use]
    pub fn memory() -> Self {
        Self::new(AnyStore::Memory(Arc::default()).into_sync())
    }
}
