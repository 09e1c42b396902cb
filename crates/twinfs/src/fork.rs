//! Life after `fork(2)`: threads do not follow into the child, so whatever owns threads is
//! forgotten there and built anew, and no lock of twinfs is held while the fork happens.

use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::error::Result;
use crate::store::random_hex;

/// Forks since the program started, counted in the child.
static GENERATION: AtomicU64 = AtomicU64::new(0);
/// What to forget in a child: few enough for a fixed list, which needs no lock.
static RESETS: [AtomicPtr<()>; 16] = [const { AtomicPtr::new(std::ptr::null_mut()) }; 16];
static REGISTERED: AtomicUsize = AtomicUsize::new(0);
/// Sections inside which no fork may happen; the top bit says that a fork waits.
static SECTIONS: AtomicUsize = AtomicUsize::new(0);
const FORKING: usize = 1 << (usize::BITS - 1);

/// A number that differs between a process and its forked children.
pub fn generation() -> u64 {
    install();
    GENERATION.load(Ordering::Relaxed)
}

/// A text that no other process has, a forked child included: what handles of trees in memory carry,
/// so that they are refused elsewhere.
///
/// # Errors
/// [`ErrorKind::Io`](crate::ErrorKind::Io) if the system's random source fails.
pub fn process_token() -> Result<String> {
    static TOKEN: Mutex<Option<(u64, String)>> = Mutex::new(None);
    let generation = generation();
    let _section = section();
    let mut token = TOKEN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((made_in, text)) = &*token
        && *made_in == generation
    {
        return Ok(text.clone());
    }
    let text = format!("{}-{}", std::process::id(), random_hex()?);
    *token = Some((generation, text.clone()));
    Ok(text)
}

/// Registers, once for each `flag`, what a child must forget. It runs between fork and the child's
/// next line, so it only stores atomics; nothing is dropped there.
pub fn on_child(flag: &AtomicBool, reset: fn()) {
    // The section makes flag and entry one step for a fork in another thread.
    let _section = section();
    if !flag.swap(true, Ordering::AcqRel)
        && let Some(entry) = RESETS.get(REGISTERED.fetch_add(1, Ordering::AcqRel))
    {
        entry.store(reset as *mut (), Ordering::Release);
    }
}

/// A section that holds locks; a fork waits until it ends. Sections must be short, must not nest
/// and must not block on anything but each other's locks.
#[derive(Debug)]
pub struct Section(());

/// Begins a section; it ends when the value is dropped.
pub fn section() -> Section {
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
    // A flag and not a `Once`: a fork during a `Once` would leave it for ever half done in the child.
    static INSTALLED: AtomicBool = AtomicBool::new(false);
    if INSTALLED.load(Ordering::Acquire) || INSTALLED.swap(true, Ordering::AcqRel) {
        return;
    }
    // SAFETY: the three handlers are `extern "C"` functions without captured state that live as long
    // as the program; they only touch atomics and, in `prepare`, wait for short sections.
    let status = unsafe { libc::pthread_atfork(Some(prepare), Some(parent), Some(child)) };
    // Only ENOMEM is possible; then a fork behaves as it would without us.
    debug_assert_eq!(status, 0);
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
    for entry in &RESETS {
        let reset = entry.load(Ordering::Acquire);
        if !reset.is_null() {
            // SAFETY: only `on_child` stores here, and it stores function pointers of this type.
            let reset: fn() = unsafe { std::mem::transmute::<*mut (), fn()>(reset) };
            reset();
        }
    }
    SECTIONS.store(0, Ordering::Release);
}
