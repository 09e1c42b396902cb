//! Something that one call at a time works with; the others wait for their turn.

use std::future::poll_fn;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use twinfs::{Error, ErrorKind, fork};

pub(crate) struct Turns<T>(Arc<Shared<T>>);

struct Shared<T> {
    /// A turn that was under way when this process was forked never ends in it.
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
    fn locked<R>(&self, work: impl FnOnce(&mut State<T>) -> R) -> R {
        let _section = fork::section();
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<T> Turns<T> {
    pub(crate) fn new(value: T) -> Self {
        let state = Mutex::new(State { value: Some(value), over: false, waiting: Vec::new() });
        Self(Arc::new(Shared { generation: fork::generation(), state }))
    }

    /// A turn, if nobody else has one.
    pub(crate) fn try_take(&self) -> Option<Turn<T>> {
        let value = self.0.locked(|state| state.value.take())?;
        Some(Turn { value: Some(value), home: Arc::clone(&self.0) })
    }

    /// A turn, when nobody else has one any more.
    pub(crate) async fn take(self) -> Result<Turn<T>, Error> {
        let here = self.0.generation == fork::generation();
        let take = |context: &Context<'_>| {
            self.0.locked(|state| match state.value.take() {
                Some(value) => Some(Ok(value)),
                None if state.over => Some(Err(ErrorKind::Closed.into())),
                None if !here => Some(Err(Error::new(ErrorKind::Closed)
                    .with_message("a call on this was under way when its process was forked"))),
                None => {
                    state.waiting.push(context.waker().clone());
                    None
                }
            })
        };
        let value = poll_fn(|context| take(context).map_or(Poll::Pending, Poll::Ready)).await?;
        Ok(Turn { value: Some(value), home: Arc::clone(&self.0) })
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
        let value = self.value.take();
        let waiting = self.home.locked(|state| {
            state.over = value.is_none();
            state.value = value;
            std::mem::take(&mut state.waiting)
        });
        waiting.into_iter().for_each(Waker::wake);
    }
}
