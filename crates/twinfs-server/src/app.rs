//! What every request handler can reach.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};
use twinfs::{AsyncStore, Fs};

use crate::auth::User;
use crate::auth::backoff::Backoff;
use crate::auth::password::Users;
use crate::auth::token::Tokens;
use crate::config::Limits;
use crate::http::error::{ApiError, ApiResult};
use crate::memory::{BodyMemory, Held};
use crate::metadata::MetadataStore;
use crate::space::FreeSpace;
use crate::upload::Uploads;

/// What every request handler can reach.
pub(crate) struct App {
    pub(crate) fs: Fs,
    pub(crate) uploads: Arc<Uploads>,
    pub(crate) metadata: Arc<dyn MetadataStore>,
    pub(crate) users: Users,
    pub(crate) tokens: Tokens,
    pub(crate) backoff: Backoff,
    pub(crate) space: FreeSpace,
    memory: BodyMemory,
    pub(crate) limits: Limits,
    pub(crate) token_lifetime: Duration,
    pub(crate) strict: bool,
    pub(crate) tls: bool,
    draining: AtomicBool,
}

/// The parts of an [`App`] that the start makes.
pub(crate) struct Parts {
    pub(crate) fs: Fs,
    pub(crate) uploads: Arc<Uploads>,
    pub(crate) metadata: Arc<dyn MetadataStore>,
    pub(crate) users: Users,
}

impl App {
    pub(crate) fn new(parts: Parts, config: &crate::Config) -> Arc<Self> {
        let limits = config.limits;
        Arc::new(Self {
            fs: parts.fs,
            uploads: parts.uploads,
            metadata: parts.metadata,
            users: parts.users,
            tokens: Tokens::new(&config.secret),
            backoff: Backoff::default(),
            space: FreeSpace::new(config.data_dir.clone(), limits.min_free_bytes),
            memory: BodyMemory::new(&limits),
            limits,
            token_lifetime: config.token_lifetime,
            strict: config.strict,
            tls: config.tls,
            draining: AtomicBool::new(false),
        })
    }

    /// Whether files have versions, and with them entity tags.
    pub(crate) fn keeps_versions(&self) -> bool {
        self.fs.store().capabilities().if_version
    }

    /// Waits for memory to receive this much of a user's body in; it is given back when what this gives is
    /// dropped.
    ///
    /// # Errors
    /// 503 where there is none for too long.
    pub(crate) async fn memory_for(&self, user: &User, bytes: usize) -> ApiResult<Held> {
        self.memory.hold(&user.0, bytes).await.ok_or_else(|| {
            ApiError::http(StatusCode::SERVICE_UNAVAILABLE, "Too much is on its way to the server; try again")
                .with_header(RETRY_AFTER, HeaderValue::from_static("1"))
        })
    }

    /// The server stops: it is not ready for new work.
    pub(crate) fn start_draining(&self) {
        self.draining.store(true, Ordering::Release);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }
}
