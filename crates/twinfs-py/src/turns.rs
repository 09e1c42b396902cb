//! Something that one call at a time works with; the others wait for their turn.

use std::future::poll_fn;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use twinfs::{Error, ErrorKind, fork};

pub(crate) struct Turns<T>(Arc<Shared<T>>);

struct Shared<T> {
    /// A turn that was taken in another process never ends here.
    generation: u64,
    state: Mutex<State<T>>,
}

struct State<T> {
    value: Option<T>,
    /// Somebody took the last turn: the value does not come back.
    over: bool,
    waiting: Vec<Waker>,
}

impl<T> Clone for Turns<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Shared<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Turns<T> {
    pub(crate) fn new(value: T) -> Self {
        let state = Mutex::new(State { value: Some(value), over: false, waiting: Vec::new() });
        Self(Arc::new(Shared { generation: fork::generation(), state }))
    }

    /// A turn, if nobody else has one.
    pub(crate) fn try_take(&self) -> Option<Turn<T>> {
        if self.0.generation != fork::generation() {
            return None;
        }
        let value = self.0.state().value.take()?;
        Some(Turn { value: Some(value), home: Arc::clone(&self.0) })
    }

    /// A turn, when nobody else has one any more.
    pub(crate) async fn take(self) -> Result<Turn<T>, Error> {
        poll_fn(|context| {
            if self.0.generation != fork::generation() {
                return Poll::Ready(Err(Error::new(ErrorKind::Closed)
                    .with_message("this belongs to the process that opened it, not to its forked child")));
            }
            let mut state = self.0.state();
            if let Some(value) = state.value.take() {
                return Poll::Ready(Ok(Turn { value: Some(value), home: Arc::clone(&self.0) }));
            }
            if state.over {
                return Poll::Ready(Err(ErrorKind::Closed.into()));
            }
            state.waiting.push(context.waker().clone());
            Poll::Pending
        })
        .await
    }
}

/// The value for one call; it goes back when this is dropped, also if the call is cancelled.
pub(crate) struct Turn<T> {
    value: Option<T>,
    home: Arc<Shared<T>>,
}

impl<T> Turn<T> {
    /// Takes the value for good.
    pub(crate) fn last(mut self) -> Option<T> {
        self.value.take()
    }
}

impl<T> Deref for Turn<T> {
    type Target = Option<T>;

    fn deref(&self) -> &Option<T> {
        &self.value
    }
}

impl<T> DerefMut for Turn<T> {
    fn deref_mut(&mut self) -> &mut Option<T> {
        &mut self.value
    }
}

impl<T> Drop for Turn<T> {
    fn drop(&mut self) {
        let waiting = {
            let mut state = self.home.state();
            state.over = self.value.is_none();
            state.value = self.value.take();
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }
}
