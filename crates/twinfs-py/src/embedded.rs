//! A run-files server in this process, for `python -m twinfs.run` and tests of services.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pyo3::exceptions::{PyOSError, PyRuntimeError};
use pyo3::prelude::*;
use tokio::runtime::Runtime;
use twinfs::{Fs, StoreOptions};
use twinfs_server::token::Tokens;
use twinfs_server::{Config, Server};

/// How long a token of an embedded server is good for: as long as a service may run.
const LIFETIME: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// A server on a free port of the loopback address. Its secret never leaves the process.
#[pyclass(frozen, module = "twinfs._twinfs")]
pub(crate) struct EmbeddedServer {
    url: String,
    tokens: Tokens,
    running: Mutex<Option<(Runtime, Server)>>,
}

#[pymethods]
impl EmbeddedServer {
    /// Starts a server over the store at a URL or path.
    #[new]
    fn new(py: Python<'_>, data: String) -> PyResult<Self> {
        py.detach(|| {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .thread_name("twinfs-server")
                .enable_all()
                .build()?;
            let mut secret = [0_u8; 32];
            getrandom::fill(&mut secret).map_err(|error| PyOSError::new_err(error.to_string()))?;
            let server = runtime.block_on(async {
                let data = Fs::connect_with(&data, StoreOptions::new())
                    .await
                    .map_err(|error| PyOSError::new_err(error.to_string()))?;
                let mut config = Config::new(data, secret);
                config.listen = "127.0.0.1:0".into();
                Server::start(config).await.map_err(|error| PyRuntimeError::new_err(error.to_string()))
            })?;
            Ok(Self {
                url: format!("http://{}", server.address()),
                tokens: Tokens::new(&secret),
                running: Mutex::new(Some((runtime, server))),
            })
        })
    }

    /// The address, as `http://127.0.0.1:PORT`.
    #[getter]
    fn url(&self) -> &str {
        &self.url
    }

    /// A credential for the user of this id.
    fn token(&self, sub: &str) -> String {
        self.tokens.issue(sub, LIFETIME)
    }

    /// Ends the server; requests under way come to their end. Any number of times.
    fn stop(&self, py: Python<'_>) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        py.detach(|| {
            if let Some((runtime, server)) = running {
                runtime.block_on(server.stop());
            }
        });
    }
}
