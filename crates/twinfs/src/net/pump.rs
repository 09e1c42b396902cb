//! A task that produces ahead of its reader: downloads and open files.

use std::future::Future;
use std::task::{Context, Poll, ready};

use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::{OfProcess, Task, spawn};
use crate::error::{Error, ErrorKind, Result};

/// Where the producing task puts what it made.
pub(crate) struct Sink<T>(Sender<T>);

impl<T> Sink<T> {
    /// Hands one item over; waits while the reader is behind.
    ///
    /// # Errors
    /// `Closed` where nobody reads any more.
    pub(crate) async fn put(&self, item: T) -> Result<()> {
        self.0.send(item).await.map_err(|_| Error::new(ErrorKind::Closed))
    }
}

/// What a task on the network runtime produces, item by item; dropping it aborts the task.
pub(crate) struct Pump<T> {
    items: OfProcess<Receiver<T>>,
    task: Option<Task<Result<()>>>,
}

impl<T: Send + 'static> Pump<T> {
    /// Starts a producer that runs at most `ahead` items ahead of the reader. Its error, if it
    /// ends with one, comes after the last item.
    pub(crate) fn start<F>(ahead: usize, produce: impl FnOnce(Sink<T>) -> F) -> Result<Self>
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let (sender, items) = channel(ahead);
        let task = spawn(produce(Sink(sender)))?;
        Ok(Self { items: OfProcess::new(items), task: Some(task) })
    }

    /// The next item; `None` at the end.
    pub(crate) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<T>>> {
        self.items.check()?;
        if let Some(item) = ready!(self.items.poll_recv(context)) {
            return Poll::Ready(Some(Ok(item)));
        }
        // The producer is gone: ended, failed or panicked. Only the task knows which.
        let Some(task) = &mut self.task else { return Poll::Ready(None) };
        let ended = ready!(std::pin::Pin::new(task).poll(context));
        self.task = None;
        Poll::Ready(ended.err().map(Err))
    }

    /// The next item, if it is there by now.
    pub(crate) fn ready(&mut self) -> Option<T> {
        self.items.is_here().then(|| self.items.try_recv().ok()).flatten()
    }

    /// The next item; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Result<T>> {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_come_in_order_and_the_error_last() {
        let made = Pump::start(2, |sink| async move {
            for number in 0..10 {
                sink.put(number).await?;
            }
            Err(Error::new(ErrorKind::Timeout))
        });
        let mut pump = made.unwrap();
        smol::block_on(async {
            for number in 0..10 {
                assert_eq!(pump.next().await.unwrap().unwrap(), number);
            }
            assert_eq!(pump.next().await.unwrap().unwrap_err().kind(), ErrorKind::Timeout);
            assert!(pump.next().await.is_none());
        });
    }

    #[test]
    fn a_panic_of_the_producer_is_no_clean_end() {
        let mut pump = Pump::<()>::start(1, |_| async { panic!("on purpose") }).unwrap();
        let error = smol::block_on(pump.next()).unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
    }
}
