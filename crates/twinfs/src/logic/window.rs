//! A sliding window over futures: so many in flight at once.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::stream::{FuturesUnordered, StreamExt};

use crate::error::Result;

/// A future with a type of its own: the compiler cannot see of a set of anonymous futures with borrows
/// that it is `Send`.
pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The future, boxed.
pub(crate) fn boxed<'a, T>(future: impl Future<Output = T> + Send + 'a) -> BoxFuture<'a, T> {
    Box::pin(future)
}

/// Runs up to `limit` futures at once and hands each output, with the place of its future, to
/// `each` as soon as it is there. An error of `each` ends the run and drops what is in flight,
/// which cancels it.
///
/// Over stores of the sync face whose futures are ready at once, they run one after the other.
pub(crate) async fn window<'a, T>(
    limit: usize,
    source: impl Iterator<Item = BoxFuture<'a, T>>,
    mut each: impl FnMut(usize, T) -> Result<()>,
) -> Result<()> {
    let mut source = source.enumerate();
    let mut running: FuturesUnordered<Numbered<'a, T>> = FuturesUnordered::new();
    loop {
        while running.len() < limit.max(1)
            && let Some((index, future)) = source.next()
        {
            running.push(Numbered { index, future });
        }
        match running.next().await {
            Some((index, output)) => each(index, output)?,
            None => return Ok(()),
        }
    }
}

struct Numbered<'a, T> {
    index: usize,
    future: BoxFuture<'a, T>,
}

impl<T> Future for Numbered<'_, T> {
    type Output = (usize, T);

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<(usize, T)> {
        let index = self.index;
        self.future.as_mut().poll(context).map(|output| (index, output))
    }
}
