//! Life after `fork(2)`: threads do not follow into the child, so whatever owns threads is
//! forgotten there and built anew, and no lock of twinfs is held while the fork happens.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, Once, PoisonError};
use std::thread;

/// Forks since the program started, counted in the child.
static GENERATION: AtomicU64 = AtomicU64::new(0);
/// What to forget in a child.
static RESETS: Mutex<Vec<fn()>> = Mutex::new(Vec::new());
/// Sections inside which no fork may happen; the top bit says that a fork waits.
static SECTIONS: AtomicUsize = AtomicUsize::new(0);
const FORKING: usize = 1 << (usize::BITS - 1);

/// A number that differs between a process and its forked children.
pub fn generation() -> u64 {
    install();
    GENERATION.load(Ordering::Relaxed)
}

/// Registers what a child must forget. It runs between fork and the child's next line, so it only
/// stores atomics; nothing is dropped there.
pub(crate) fn on_child(reset: fn()) {
    install();
    RESETS.lock().unwrap_or_else(PoisonError::into_inner).push(reset);
}

/// A section that holds locks; a fork waits until it ends. Sections must be short, must not nest
/// and must not block on anything but each other's locks.
pub(crate) struct Section(());

pub(crate) fn section() -> Section {
    install();
    loop {
        if SECTIONS.fetch_add(1, Ordering::Acquire) & FORKING == 0 {
            return Section(());
        }
        SECTIONS.fetch_sub(1, Ordering::Release);
        thread::yield_now();
    }
}

impl Drop for Section {
    fn drop(&mut self) {
        SECTIONS.fetch_sub(1, Ordering::Release);
    }
}

fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        // SAFETY: the three handlers are `extern "C"` functions without captured state that live as
        // long as the program; they only touch atomics and, in `prepare`, wait for short sections.
        let status = unsafe { libc::pthread_atfork(Some(prepare), Some(parent), Some(child)) };
        // Only ENOMEM is possible; then a fork behaves as it would without us.
        debug_assert_eq!(status, 0);
    });
}

extern "C" fn prepare() {
    SECTIONS.fetch_or(FORKING, Ordering::Acquire);
    while SECTIONS.load(Ordering::Acquire) & !FORKING != 0 {
        thread::yield_now();
    }
}

extern "C" fn parent() {
    SECTIONS.fetch_and(!FORKING, Ordering::Release);
}

extern "C" fn child() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
    // No other thread exists here. If one of the parent's held the list while it forked, a
    // registration was under way whose owner does not exist in this process either.
    if let Ok(resets) = RESETS.try_lock() {
        for reset in resets.iter() {
            reset();
        }
    }
    SECTIONS.store(0, Ordering::Release);
}
