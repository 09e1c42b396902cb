//! The network runtime: one tokio runtime that twinfs owns and on which the network I/O of both
//! faces runs.
//!
//! It is built at first use and remembered with its process: a forked child forgets it, for the
//! threads are not there, and builds its own. Callers await a task's end under any executor, or park;
//! connections outlive the caller's event loop.

pub(crate) mod http;
mod pump;

use std::future::Future;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;

use crate::error::{Error, ErrorKind, Result};
use crate::{fork, pool, seam};

pub(crate) use pump::{Pump, Sink};

/// More threads than this do not move more bytes: the work is waiting.
const MAX_THREADS: usize = 4;

/// What belongs to the network in one process.
pub(crate) struct Net {
    handle: Handle,
    /// Kept alive here; `None` where the program handed in a runtime of its own.
    _own: Option<Runtime>,
    pub(crate) clients: http::Clients,
}

static NET: AtomicPtr<Net> = AtomicPtr::new(std::ptr::null_mut());
static BUILDING: Mutex<()> = Mutex::new(());

fn existing() -> Option<&'static Net> {
    let existing = NET.load(Ordering::Acquire);
    // SAFETY: a non-null pointer was leaked from a Box in `install` and is never freed.
    (!existing.is_null()).then(|| unsafe { &*existing })
}

/// Forgotten, not dropped, in a forked child: the runtime's threads are not there, and whoever held
/// one of its locks is not there either. Called before a section, since sections do not nest.
fn forget_in_children() {
    static REGISTERED: AtomicBool = AtomicBool::new(false);
    fork::on_child(&REGISTERED, || NET.store(std::ptr::null_mut(), Ordering::Release));
}

/// The network of this process, made at first use.
pub(crate) fn net() -> Result<&'static Net> {
    if let Some(net) = existing() {
        return Ok(net);
    }
    forget_in_children();
    let _section = fork::section();
    let _building = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(net) = existing() {
        return Ok(net);
    }
    let runtime = Builder::new_multi_thread()
        .worker_threads(pool::parallelism().min(MAX_THREADS))
        .thread_name("twinfs-net")
        .on_thread_start(seam::mark_own_runtime)
        .enable_io()
        .enable_time()
        .build()
        .map_err(|error| Error::from_io(error).with_message("the network runtime could not be started"))?;
    Ok(install(runtime.handle().clone(), Some(runtime)))
}

/// Remembers the network; the caller holds `BUILDING`.
fn install(handle: Handle, own: Option<Runtime>) -> &'static Net {
    let net: &'static Net = Box::leak(Box::new(Net { handle, _own: own, clients: http::Clients::default() }));
    NET.store(std::ptr::from_ref(net).cast_mut(), Ordering::Release);
    net
}

/// Lets the network stores run on a runtime of the program instead of one of twinfs's own.
///
/// Call it before the first network operation. The runtime must have I/O and time enabled and must
/// outlive all use. The sync face must not be called on its worker threads: nothing can tell them from
/// others, and a thread that waits for itself waits for ever. A forked child builds a runtime of its own.
///
/// # Errors
/// `AlreadyExists` if network operations have run already.
///
/// ```
/// let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
/// twinfs::net::use_runtime(runtime.handle().clone())?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[cfg(feature = "tokio")]
pub fn use_runtime(handle: Handle) -> Result<()> {
    forget_in_children();
    let _section = fork::section();
    let _building = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    if existing().is_some() {
        return Err(Error::new(ErrorKind::AlreadyExists).with_message(
            "the network runtime runs already; hand in your own before the first network operation",
        ));
    }
    install(handle, None);
    Ok(())
}

/// A value of this process. Dropped in a forked child it is forgotten: whatever thread was about to
/// touch it does not exist there, and a lock inside it may be held for ever.
pub(crate) struct OfProcess<T> {
    value: ManuallyDrop<T>,
    generation: u64,
}

impl<T> OfProcess<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { value: ManuallyDrop::new(value), generation: fork::generation() }
    }

    /// Whether this is still the process that made it.
    pub(crate) fn is_here(&self) -> bool {
        self.generation == fork::generation()
    }

    /// The value, unless this is a forked child.
    pub(crate) fn into_inner(mut self) -> Option<T> {
        let is_here = self.is_here();
        // Whatever is done with the value, it is not done here once more.
        self.generation = u64::MAX;
        // SAFETY: taken once, here; the drop below passes it over, for no process has that generation.
        is_here.then(|| unsafe { ManuallyDrop::take(&mut self.value) })
    }

    /// Refuses what was begun in the parent process.
    pub(crate) fn check(&self) -> Result<()> {
        if self.is_here() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Closed)
            .with_message("this transfer was begun in the parent process, before the fork"))
    }
}

impl<T> Deref for OfProcess<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for OfProcess<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T> Drop for OfProcess<T> {
    fn drop(&mut self) {
        if self.is_here() {
            // SAFETY: dropped once, here, and not used afterwards.
            unsafe { ManuallyDrop::drop(&mut self.value) };
        }
    }
}

/// A task on the network runtime; dropping it aborts the task.
pub(crate) struct Task<T>(OfProcess<Abort<T>>);

struct Abort<T>(JoinHandle<T>);

impl<T> Drop for Abort<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<T: Send + 'static> Future for Task<Result<T>> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        self.0.check()?;
        Pin::new(&mut self.0.0).poll(context).map(|ended| match ended {
            Ok(result) => result,
            Err(error) if error.is_panic() => {
                Err(Error::new(ErrorKind::Io).with_message("an operation panicked; please report it"))
            }
            Err(_) => Err(Error::new(ErrorKind::Closed).with_message("the network runtime has ended")),
        })
    }
}

/// Starts a task on the network runtime.
pub(crate) fn spawn<T: Send + 'static>(
    future: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<Task<Result<T>>> {
    Ok(Task(OfProcess::new(Abort(net()?.handle.spawn(future)))))
}

/// Leaves a task to the network runtime, for cleaning up after what was cancelled.
pub(crate) fn detach(future: impl Future<Output = ()> + Send + 'static) {
    // Without a runtime nothing was begun that would need cleaning.
    if let Some(net) = existing() {
        net.handle.spawn(future);
    }
}

/// Runs a future on the network runtime and awaits its end, under any executor. Dropping what this
/// returns aborts it; nothing starts before its first poll.
pub(crate) async fn run<T: Send + 'static>(
    future: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    spawn(future)?.await
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;
    use crate::adapters::park_on;

    #[test]
    fn any_executor_and_none_get_the_result() {
        let add = || run(async { Ok(1 + 1) });
        assert_eq!(park_on(add()).unwrap(), 2);
        assert_eq!(smol::block_on(add()).unwrap(), 2);
        let runtime = Builder::new_current_thread().build().unwrap();
        assert_eq!(runtime.block_on(add()).unwrap(), 2);
        assert_eq!(runtime.block_on(async { park_on(add()) }).unwrap(), 2);
    }

    #[test]
    fn waiting_on_its_own_thread_is_an_error_and_a_panic_too() {
        let error = park_on(run(async { park_on(run(async { Ok(()) })) })).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let error = park_on(run(async { panic!("on purpose") })).map(|(): ()| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
    }

    #[test]
    fn dropping_the_future_aborts_the_task() {
        struct Tell(mpsc::Sender<()>);
        impl Drop for Tell {
            fn drop(&mut self) {
                let _ = self.0.send(());
            }
        }
        let (started, has_started) = mpsc::channel();
        let (ended, has_ended) = mpsc::channel();
        let mut task = Box::pin(run(async move {
            let _tell = Tell(ended);
            started.send(()).unwrap();
            tokio::time::sleep(Duration::from_secs(3600)).await;
            Ok(())
        }));
        let mut context = Context::from_waker(std::task::Waker::noop());
        assert!(task.as_mut().poll(&mut context).is_pending());
        has_started.recv().unwrap();
        drop(task);
        has_ended.recv().unwrap();
    }

    #[test]
    fn a_forked_child_builds_its_own() {
        let pending = spawn(std::future::pending::<Result<()>>()).unwrap();
        assert_eq!(park_on(run(async { Ok(7) })).unwrap(), 7);
        // SAFETY: the child calls nothing that needs the parent's threads, and ends by `_exit`.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let fresh = park_on(run(async { Ok(7) })).is_ok_and(|seven| seven == 7);
            let stale = park_on(pending).is_err_and(|error| error.kind() == ErrorKind::Closed);
            // SAFETY: ends the child at once, without running the parent's exit handlers.
            unsafe { libc::_exit(i32::from(!(fresh && stale))) };
        }
        let mut status = 0;
        // SAFETY: waits for the child made above.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert_eq!(status, 0);
    }
}
