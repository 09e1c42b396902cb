//! Sweeping: what dead writers left is removed where it is met.

use std::os::fd::{AsFd, OwnedFd};

use super::lock::Lock;
use super::names::visit_names;
use super::stage::STAGED_DIR;
use super::staging::{is_staged_name, remove_if_dead};
use super::sys::{self, Sys};

/// The most leftovers that one visit to a directory removes; the next visit finds the rest.
pub(super) const MAX_SWEPT: usize = 64;

/// Whether a name belongs to twinfs and shows in no listing.
pub(super) fn is_hidden(name: &[u8]) -> bool {
    is_staged_name(name) || name == STAGED_DIR.as_bytes()
}

/// Removes those of the named staged files whose writers are gone. Whatever goes wrong is left for
/// the next visit: a sweep fails nobody's call.
pub(super) fn sweep_names(dir: &OwnedFd, names: &[Vec<u8>]) {
    // Busy: somebody publishes or opens here this very moment, and will be gone at the next visit.
    if let Ok(Some(_lock)) = Lock::try_exclusive(dir) {
        for name in names {
            let _ = remove_if_dead(dir.as_fd(), name);
        }
    }
}

/// Removes everything of dead writers from a directory that is about to go, and the directory of
/// staged uploads if it is empty.
pub(super) fn sweep_dir(dir: &OwnedFd) -> Sys<()> {
    let mut litter = Vec::new();
    visit_names(dir, |name, _| {
        if is_staged_name(name) {
            litter.push(name.to_vec());
        }
    })?;
    sweep_names(dir, &litter);
    let _ = sys::rmdir_at(dir, STAGED_DIR);
    Ok(())
}

/// Sweeps the start of a directory: bounded, so that opening a store on a vast directory is quick.
pub(super) fn sweep_some(dir: &OwnedFd) {
    let mut litter = Vec::new();
    let swept = super::names::visit_some(dir, |name, _| {
        if is_staged_name(name) && litter.len() < MAX_SWEPT {
            litter.push(name.to_vec());
        }
    });
    if swept.is_ok() && !litter.is_empty() {
        sweep_names(dir, &litter);
    }
}
