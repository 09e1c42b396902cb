//! What it takes to make the same connector elsewhere.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Operation, Result};
use crate::fork;
use crate::location::{Location, redacted};
use crate::registry::StoreOptions;
use crate::store::{Durability, random_hex};

/// Whether closing a connector removes its objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clear {
    /// It does.
    Remove,
    /// They stay.
    Keep,
}

/// What a [`FileConnector`](super::FileConnector) is made from.
///
/// ```
/// use twinfs::objects::FileConfig;
///
/// let config: FileConfig = serde_json::from_str(r#"{"store_dir": "/data/objects"}"#).unwrap();
/// assert!(config.clear);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FileConfig {
    /// The directory, absolute.
    pub store_dir: String,
    /// Whether closing removes the objects and the directory.
    #[serde(default = "yes")]
    pub clear: bool,
    /// When an object that was put is on the disk.
    #[serde(default, with = "durability")]
    pub durability: Durability,
}

fn yes() -> bool {
    true
}

impl FileConfig {
    /// A directory whose objects go when the last connector closes; durability `none`.
    ///
    /// # Errors
    /// `InvalidPath` for a path that is not UTF-8, `Io` for a relative one without a current directory.
    pub fn new(store_dir: impl AsRef<Path>) -> Result<Self> {
        let path = std::path::absolute(store_dir).map_err(Error::from_io)?;
        match path.to_str() {
            Some(text) => {
                Ok(Self { store_dir: text.to_owned(), clear: true, durability: Durability::default() })
            }
            None => Err(Error::new(ErrorKind::InvalidPath)
                .with_operation(Operation::Connect)
                .with_raw_path(path.to_string_lossy())
                .with_message("a path must be UTF-8")),
        }
    }
}

/// What a [`StoreConnector`](super::StoreConnector) is made from.
///
/// `Debug` shows the names of options and not their values, which may be secrets; what serde
/// writes has them.
///
/// ```
/// use twinfs::objects::StoreConfig;
///
/// let config = StoreConfig::new("memory://objects").with_option("max_bytes", "1000000");
/// assert_eq!(config.options["max_bytes"], "1000000");
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StoreConfig {
    /// Where the store is: a URL or a path.
    pub url: String,
    /// Options of the store, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
    /// Whether closing removes the objects.
    #[serde(default)]
    pub clear: bool,
    /// When an object that was put is on the disk.
    #[serde(default, with = "durability")]
    pub durability: Durability,
    /// Of a tree in memory: the process whose tree it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<String>,
}

impl StoreConfig {
    /// The store at a URL or path, without options; objects stay on closing; durability `none`.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            options: BTreeMap::new(),
            clear: false,
            durability: Durability::default(),
            process: None,
        }
    }

    /// The same with an option of the store.
    #[must_use]
    pub fn with_option(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.insert(name.into(), value.into());
        self
    }

    /// The same so that it means the same store everywhere: a plain path becomes absolute, a private
    /// tree in memory gets a name, and a tree in memory the token of its process.
    ///
    /// Done again it changes nothing. [`connect`](super::StoreConnector::connect) does it, too.
    ///
    /// # Errors
    /// `InvalidInput` for a tree in the memory of another process, or a URL that is none.
    pub fn resolve(mut self) -> Result<Self> {
        let location = Location::parse(&self.url)?;
        if location.scheme == "memory" {
            let here = fork::process_token()?;
            match &self.process {
                Some(process) if *process != here => {
                    return Err(Error::new(ErrorKind::InvalidInput)
                        .with_operation(Operation::Connect)
                        .with_message(format!(
                            "memory://{} is a tree of another process",
                            location.authority.escape_debug()
                        )));
                }
                _ => self.process = Some(here),
            }
            if location.authority.is_empty() {
                // Unnamed, nobody else in this process could reach the objects.
                let (_, query) = self.url.split_once('?').unwrap_or((&self.url, ""));
                let mark = if query.is_empty() { "" } else { "?" };
                self.url = format!("memory://objects-{}{mark}{query}", random_hex()?);
            }
        } else if location.scheme == "file" && !self.url.contains("://") {
            let path = std::path::absolute(&self.url).map_err(Error::from_io)?;
            // Absolute and current directory alike are text, or this would not be.
            self.url = path.to_string_lossy().into_owned();
        }
        Ok(self)
    }

    /// The options for the registry.
    #[must_use]
    pub fn store_options(&self) -> StoreOptions {
        self.options.iter().fold(StoreOptions::new(), |all, (name, value)| all.with(name, value))
    }
}

impl fmt::Debug for StoreConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreConfig")
            .field("url", &redacted(&self.url))
            .field("options", &self.options.keys())
            .field("clear", &self.clear)
            .field("durability", &self.durability)
            .finish_non_exhaustive()
    }
}

/// A durability as its word.
mod durability {
    use serde::{Deserialize, Deserializer, Serializer, de};

    use crate::store::Durability;

    pub(super) fn serialize<S: Serializer>(durability: &Durability, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(durability.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Durability, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}
