//! The floor under the free space of the data's disk: an upload must not fill it to the brim, where
//! nothing else works either.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::http::error::{ApiError, ApiResult};

/// How long a measurement counts.
const FRESH: Duration = Duration::from_millis(500);

/// The free space of one disk.
#[derive(Debug)]
pub(crate) struct FreeSpace {
    directory: Option<PathBuf>,
    floor: u64,
    measured: Mutex<Option<(Instant, u64)>>,
}

impl FreeSpace {
    pub(crate) fn new(directory: Option<PathBuf>, floor: u64) -> Self {
        Self { directory, floor, measured: Mutex::new(None) }
    }

    /// Free bytes; `None` where nothing is measured, or cannot be.
    fn free(&self) -> Option<u64> {
        let directory = self.directory.as_ref()?;
        let mut measured = self.measured.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((when, free)) = *measured
            && when.elapsed() < FRESH
        {
            return Some(free);
        }
        let stat = rustix::fs::statvfs(directory).ok()?;
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        *measured = Some((Instant::now(), free));
        Some(free)
    }

    /// Whether new data may come.
    pub(crate) fn is_enough(&self) -> bool {
        self.free().is_none_or(|free| free >= self.floor)
    }

    /// Refuses new data where the floor is reached.
    pub(crate) fn check(&self) -> ApiResult<()> {
        if self.is_enough() {
            return Ok(());
        }
        Err(ApiError::no_space())
    }
}

#[cfg(test)]
mod tests {
    use super::FreeSpace;

    #[test]
    fn the_floor_is_held() {
        assert!(FreeSpace::new(None, u64::MAX).is_enough());
        assert!(FreeSpace::new(Some("/".into()), 0).is_enough());
        let full = FreeSpace::new(Some("/".into()), u64::MAX);
        assert!(!full.is_enough());
        assert_eq!(full.check().unwrap_err().status(), 507);
    }
}
