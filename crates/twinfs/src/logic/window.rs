//! A sliding window over futures: so many in flight at once, results in order.

use std::future::Future;

use futures_util::stream::{FuturesUnordered, StreamExt};

/// Runs up to `limit` futures at once and gives their results in order.
///
/// Under the sync face every future is ready at once, so they run one after the other.
pub(crate) async fn window<F: Future>(limit: usize, source: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut source = source.enumerate();
    let mut running = FuturesUnordered::new();
    let mut results = Vec::new();
    loop {
        while running.len() < limit.max(1)
            && let Some((index, future)) = source.next()
        {
            results.push(None);
            running.push(async move { (index, future.await) });
        }
        match running.next().await {
            Some((index, output)) => results[index] = Some(output),
            None => return results.into_iter().flatten().collect(),
        }
    }
}
