//! Passwords: Argon2id, and users by name.

use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;
use twinfs::{ErrorKind, pool};
use uuid::Uuid;

use crate::metadata::{MetadataError, MetadataStore, Result, User};

/// Passwords hashed at a time: each takes a core for some 20 ms, and 19 MiB.
const AT_A_TIME: usize = 2;
/// A longer password is nobody's.
const MAX_PASSWORD: usize = 4096;

/// The users who may log in.
pub(crate) struct Users {
    metadata: Arc<dyn MetadataStore>,
    /// Verified against where there is no such user, so that both answers take as long.
    decoy: String,
    hashing: Semaphore,
}

impl Users {
    /// The users of a database, and these, who are added or get the password given.
    pub(crate) async fn open(metadata: Arc<dyn MetadataStore>, users: &[(String, String)]) -> Result<Self> {
        let hashing = Semaphore::new(AT_A_TIME);
        let decoy = hash(Uuid::new_v4().to_string()).await?;
        let this = Self { metadata, decoy, hashing };
        for (name, password) in users {
            let known = this.metadata.user(name).await?;
            let id = match known {
                Some(user) if verify(password.clone(), user.password_hash.clone()).await? => continue,
                Some(user) => user.id,
                None => Uuid::new_v4(),
            };
            let password_hash = hash(password.clone()).await?;
            this.metadata.save_user(&User { name: name.clone(), id, password_hash }).await?;
        }
        Ok(this)
    }

    /// The user of this name and password; `None` if either is wrong.
    pub(crate) async fn log_in(&self, name: &str, password: String) -> Result<Option<User>> {
        if password.len() > MAX_PASSWORD {
            return Ok(None);
        }
        let user = self.metadata.user(name).await?;
        let hash = user.as_ref().map_or_else(|| self.decoy.clone(), |user| user.password_hash.clone());
        // The semaphore is never closed; without it the work would only be less bounded.
        let _turn = self.hashing.acquire().await;
        let fits = verify(password, hash).await?;
        Ok(user.filter(|_| fits))
    }
}

async fn hash(password: String) -> Result<String> {
    let hashed = pool::run(move || {
        let hash = Argon2::default().hash_password(password.as_bytes());
        hash.map(|hash| hash.to_string()).map_err(|error| {
            twinfs::Error::new(ErrorKind::Io).with_message(format!("a password cannot be hashed: {error}"))
        })
    });
    hashed.await.map_err(MetadataError::new)
}

async fn verify(password: String, hash: String) -> Result<bool> {
    let verified = pool::run(move || {
        let Ok(hash) = PasswordHash::new(&hash) else { return Ok(false) };
        Ok(Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
    });
    verified.await.map_err(MetadataError::new)
}
