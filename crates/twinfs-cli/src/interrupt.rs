//! Ctrl-C and its like while files are being written: the command is unwound, so that what it has begun goes
//! away as it does after any failure. A process that simply died would leave it where it is.

use std::future::poll_fn;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Poll;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;
use tokio::signal::unix::{Signal, SignalKind, signal};
use twinfs::Error;
use twinfs::bulk::{Progress, ProgressItem};

use crate::exit::Code;

/// How long what is under way may take to come to an end. A read that hangs must not keep the user.
const GRACE: Duration = Duration::from_secs(2);
/// How often somebody looks for a signal who waits for input.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// The signal that came; none is 0.
static CAUGHT: AtomicU8 = AtomicU8::new(0);

/// What a command is unwound with.
pub(crate) struct Interrupted;

impl Interrupted {
    /// The exit code that shells know: 128 and the signal.
    pub(crate) fn code() -> Code {
        Code(128 + CAUGHT.load(Ordering::Relaxed))
    }
}

/// From now on a signal ends the command at the next [`check`], and the process in any case: a little later, or
/// at the next signal.
#[expect(clippy::exit, reason = "what has not been unwound by then hangs, and is not waited for")]
pub(crate) fn watch() {
    // Where it cannot be watched, a signal ends the process at once.
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    let mut signals = {
        let _within = runtime.enter();
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let ignored = ignored();
        let heeded = kinds.into_iter().filter(|kind| ignored & (1_u64 << (kind.as_raw_value() - 1)) == 0);
        heeded.filter_map(|kind| Some((kind, signal(kind).ok()?))).collect::<Vec<_>>()
    };
    let wait = move || {
        runtime.block_on(async {
            CAUGHT.store(next(&mut signals).await, Ordering::Relaxed);
            _ = tokio::time::timeout(GRACE, next(&mut signals)).await;
        });
        std::process::exit(i32::from(Interrupted::code().0));
    };
    _ = std::thread::Builder::new().name("signals".into()).spawn(wait);
}

/// The signals that this process was started to ignore, as `nohup` starts it, and a script what it runs in the
/// background: signal 1 is bit 0.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

/// The number of the next signal that comes.
async fn next(signals: &mut [(SignalKind, Signal)]) -> u8 {
    let kind = poll_fn(|context| {
        let mut caught = signals
            .iter_mut()
            .filter_map(|(kind, signal)| signal.poll_recv(context).is_ready().then_some(*kind));
        caught.next().map_or(Poll::Pending, Poll::Ready)
    });
    u8::try_from(kind.await.as_raw_value()).unwrap_or(0)
}

/// Unwinds the command if a signal has come.
pub(crate) fn check() {
    if CAUGHT.load(Ordering::Relaxed) != 0 {
        resume_unwind(Box::new(Interrupted));
    }
}

/// Waits until standard input has something to read, or is at its end.
pub(crate) fn wait_for_input() {
    let stdin = std::io::stdin();
    loop {
        check();
        // What cannot be polled is read at once, and says by itself what is wrong.
        match poll(&mut [PollFd::new(&stdin, PollFlags::IN)], Some(&LOOK)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            _ => return,
        }
    }
}

/// Progress that looks for a signal, which the thread that drives the transfer is told often enough.
pub(crate) struct Watching(pub(crate) Option<Arc<dyn Progress>>);

impl Progress for Watching {
    fn discovered(&self, item: &ProgressItem<'_>) {
        check();
        if let Some(progress) = &self.0 {
            progress.discovered(item);
        }
    }

    fn started(&self, item: &ProgressItem<'_>) {
        check();
        if let Some(progress) = &self.0 {
            progress.started(item);
        }
    }

    fn advanced(&self, item: &ProgressItem<'_>, bytes: u64) {
        check();
        if let Some(progress) = &self.0 {
            progress.advanced(item, bytes);
        }
    }

    fn finished(&self, item: &ProgressItem<'_>, result: Result<(), &Error>) {
        if let Some(progress) = &self.0 {
            progress.finished(item, result);
        }
    }
}
