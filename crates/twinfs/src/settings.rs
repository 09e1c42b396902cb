//! Settings of the whole process, by name. They are read when a call needs them, so a change counts
//! from the next call on.
//!
//! ```
//! use twinfs::settings;
//!
//! settings::set(settings::BULK_LIMIT, "16")?;
//! assert_eq!(settings::get(settings::BULK_LIMIT)?.as_deref(), Some("16"));
//! settings::unset(settings::BULK_LIMIT)?;
//! assert_eq!(settings::get(settings::BULK_LIMIT)?, None);
//! # Ok::<(), twinfs::Error>(())
//! ```

use std::sync::atomic::{AtomicI64, Ordering};

use crate::bulk::Limit;
use crate::error::{Error, ErrorKind, Result};

/// Operations that a bulk transfer keeps in flight where it touches no local file: a number from 1,
/// or -1 for all at once.
pub const BULK_LIMIT: &str = "bulk.limit";
/// The same for bulk transfers that read or write local files, and so hold descriptors.
pub const BULK_LIMIT_LOCAL_FILES: &str = "bulk.limit.local_files";

/// The names of all settings.
pub const NAMES: &[&str] = &[BULK_LIMIT, BULK_LIMIT_LOCAL_FILES];

/// A limit as one atomic, so that reading a setting takes no lock and none can be held over a fork;
/// 0 means not set.
struct Slot(AtomicI64);

static LIMIT: Slot = Slot(AtomicI64::new(0));
static LIMIT_LOCAL_FILES: Slot = Slot(AtomicI64::new(0));

impl Slot {
    fn limit(&self) -> Option<Limit> {
        Limit::try_from(self.0.load(Ordering::Relaxed)).ok()
    }
}

fn slot(name: &str) -> Result<&'static Slot> {
    match name {
        BULK_LIMIT => Ok(&LIMIT),
        BULK_LIMIT_LOCAL_FILES => Ok(&LIMIT_LOCAL_FILES),
        _ => Err(Error::new(ErrorKind::InvalidInput).with_message(format!(
            "there is no setting '{}'; there are {}",
            name.escape_debug(),
            NAMES.join(", ")
        ))),
    }
}

/// Sets a setting for this process.
///
/// # Errors
/// `InvalidInput` for an unknown name or a value that makes no sense; the setting keeps its value.
pub fn set(name: &str, value: &str) -> Result<()> {
    let limit: Limit = value.parse()?;
    slot(name)?.0.store(limit.to_number(), Ordering::Relaxed);
    Ok(())
}

/// The value of a setting; `None` if it is not set.
///
/// # Errors
/// `InvalidInput` for an unknown name.
pub fn get(name: &str) -> Result<Option<String>> {
    Ok(slot(name)?.limit().map(|limit| limit.to_number().to_string()))
}

/// Forgets a setting, so that the default counts again.
///
/// # Errors
/// `InvalidInput` for an unknown name.
pub fn unset(name: &str) -> Result<()> {
    slot(name)?.0.store(0, Ordering::Relaxed);
    Ok(())
}

/// The limit of bulk transfers that touch local files, or of the others.
pub(crate) fn bulk_limit(local_files: bool) -> Option<Limit> {
    if local_files { LIMIT_LOCAL_FILES.limit() } else { LIMIT.limit() }
}
