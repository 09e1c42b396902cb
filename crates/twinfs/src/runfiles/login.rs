//! Logging in at a server, for a token.

use std::fmt;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::error::{Error, ErrorContext, ErrorKind, Operation, Result};
use crate::net;
use crate::net::http::{Connections, Retry, body, expect, send};

/// The most that an answer to a login holds, in bytes.
const MAX_ANSWER: usize = 64 * 1024;

/// What a server gives for a name and a password. `Debug` leaves the token out.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Login {
    /// The user's name.
    pub name: String,
    /// The user's id, which the token carries.
    pub id: String,
    /// The credential for [`RunFiles::new`](super::RunFiles::new).
    #[serde(rename = "KODOSUMI_API_KEY")]
    pub token: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("name", &self.name).field("id", &self.id).finish_non_exhaustive()
    }
}

#[derive(Serialize)]
struct Credentials {
    name: String,
    password: String,
}

async fn request(url: Result<Url>, credentials: Credentials) -> Result<Login> {
    let url = url?;
    let client = Connections::to(&url).client()?;
    let response = send(Retry::Unsent, || Ok(client.post(url.clone()).json(&credentials))).await?;
    let answer = body(expect(response, &[200]).await?, MAX_ANSWER).await?;
    serde_json::from_slice(&answer).map_err(|error| {
        Error::new(ErrorKind::Io)
            .with_message("the server's answer to the login makes no sense")
            .with_source(error)
    })
}

/// The route below a server's URL.
fn route(url: &str) -> Result<Url> {
    let invalid = || {
        // The URL is not repeated: it may hold a password.
        Error::new(ErrorKind::InvalidInput).with_message("a server's URL is http(s)://HOST:PORT")
    };
    let mut url = Url::parse(url).map_err(|_| invalid())?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(invalid());
    }
    url.path_segments_mut().map_err(|()| invalid())?.pop_if_empty().extend(["api", "login"]);
    Ok(url)
}

/// Logs in at the server at `url` (`http(s)://HOST:PORT`) for a token.
///
/// # Errors
/// `PermissionDenied` for a wrong name or password, `RateLimited` after too many of them, `Connection`;
/// `InvalidInput` for a URL that is none.
///
/// ```no_run
/// # smol::block_on(async {
/// use twinfs::runfiles::{RunFiles, login};
///
/// let token = login("http://127.0.0.1:8370", "ada", "correct horse").await?.token;
/// let run = RunFiles::new("65f0a1", "http://127.0.0.1:8370", &token)?;
/// # Ok::<(), twinfs::Error>(()) }).unwrap();
/// ```
pub async fn login(url: &str, name: &str, password: &str) -> Result<Login> {
    let credentials = Credentials { name: name.to_owned(), password: password.to_owned() };
    net::run(request(route(url), credentials)).await.during(Operation::Connect)
}

/// Logs in at a server; see [`twinfs::runfiles::login`](crate::runfiles::login).
///
/// # Errors
/// As there.
///
/// ```no_run
/// let login = twinfs::runfiles::blocking::login("http://127.0.0.1:8370", "ada", "correct horse")?;
/// println!("{} has the id {}", login.name, login.id);
/// # Ok::<(), twinfs::Error>(())
/// ```
pub fn login_blocking(url: &str, name: &str, password: &str) -> Result<Login> {
    crate::adapters::park_on(login(url, name, password))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_route_is_below_the_servers_url() {
        assert_eq!(route("http://h:1").unwrap().as_str(), "http://h:1/api/login");
        assert_eq!(route("https://h/panel/").unwrap().as_str(), "https://h/panel/api/login");
        for url in ["h:1", "ftp://h", "http://", "file:///x", ""] {
            assert_eq!(route(url).unwrap_err().kind(), ErrorKind::InvalidInput, "{url}");
        }
    }

    #[test]
    fn debug_keeps_the_token() {
        let login = Login { name: "ada".into(), id: "1".into(), token: "secret".into() };
        assert!(!format!("{login:?}").contains("secret"));
    }
}
