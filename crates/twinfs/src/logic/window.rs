//! A sliding window over futures: so many in flight at once.

use std::future::Future;

use futures_util::stream::{FuturesUnordered, StreamExt};

use crate::error::Result;

/// Runs up to `limit` futures at once and hands each output, with the place of its future, to
/// `each` as soon as it is there. An error of `each` ends the run and drops what is in flight,
/// which cancels it.
///
/// Over stores of the sync face whose futures are ready at once, they run one after the other.
pub(crate) async fn window<F: Future>(
    limit: usize,
    source: impl Iterator<Item = F>,
    mut each: impl FnMut(usize, F::Output) -> Result<()>,
) -> Result<()> {
    let mut source = source.enumerate();
    let mut running = FuturesUnordered::new();
    loop {
        while running.len() < limit.max(1)
            && let Some((index, future)) = source.next()
        {
            running.push(async move { (index, future.await) });
        }
        match running.next().await {
            Some((index, output)) => each(index, output)?,
            None => return Ok(()),
        }
    }
}
