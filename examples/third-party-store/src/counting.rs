//! A layer: it counts operations.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use twinfs::layers::{Around, Call, ImmediateAround, Layered};
use twinfs::{Operation, Result};

/// A store whose operations are counted.
pub type Counted<S> = Layered<S, Counts>;

/// How often each verb was called; clones share the numbers.
#[derive(Clone, Debug, Default)]
pub struct Counts(Arc<Mutex<BTreeMap<&'static str, u64>>>);

impl Counts {
    /// The calls of one verb so far.
    #[must_use]
    pub fn of(&self, operation: Operation) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(operation.name()).copied().unwrap_or(0)
    }
}

impl Around for Counts {
    async fn around<T: Send>(
        &self,
        call: Call,
        operation: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(call.operation.name()).or_insert(0) += 1;
        operation.await
    }
}

// It awaits nothing but the operation, so the sync face may use it, too.
impl ImmediateAround for Counts {}
