//! Tokens: JSON Web Tokens signed with HS256, as Kodosumi makes them.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};

/// How many checked tokens are remembered, at most.
const KNOWN: usize = 1024;

/// Makes and checks the tokens of one secret.
///
/// ```
/// use std::time::Duration;
/// use twinfs_server::token::Tokens;
///
/// let tokens = Tokens::new(b"a secret");
/// let token = tokens.issue("ada", Duration::from_secs(60));
/// assert_eq!(tokens.verify(&token).as_deref(), Some("ada"));
/// assert_eq!(Tokens::new(b"another").verify(&token), None);
/// ```
pub struct Tokens {
    signing: EncodingKey,
    verifying: DecodingKey,
    validation: Validation,
    /// Tokens whose signature was checked: a client sends one with each of its requests.
    known: Mutex<HashMap<Box<str>, Verified>>,
}

#[derive(Serialize)]
struct Issued<'a> {
    exp: f64,
    iat: f64,
    sub: &'a str,
}

#[derive(Deserialize)]
struct Claims {
    exp: Seconds,
    #[serde(rename = "iat")]
    _iat: Seconds,
    #[serde(default)]
    nbf: Option<Seconds>,
    sub: String,
}

/// Whose a token is, and when.
struct Verified {
    subject: Arc<str>,
    expires: f64,
    not_before: Option<f64>,
}

impl Verified {
    fn holds(&self, now: f64) -> bool {
        self.expires > now && self.not_before.is_none_or(|nbf| nbf <= now)
    }
}

/// Seconds of the Unix epoch: a number, or text that is one, as Kodosumi's server takes it.
struct Seconds(f64);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::Number(number) => number.as_f64(),
            serde_json::Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        match seconds {
            Some(seconds) if seconds.is_finite() => Ok(Self(seconds)),
            _ => Err(D::Error::custom("no time in seconds")),
        }
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

impl Tokens {
    /// Tokens signed with these bytes.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        // The claims are checked here: times may be fractions, and no leeway is given.
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        Self {
            signing: EncodingKey::from_secret(secret),
            verifying: DecodingKey::from_secret(secret),
            validation,
            known: Mutex::default(),
        }
    }

    /// A token for the user of this id, good from now for so long.
    #[must_use]
    pub fn issue(&self, subject: &str, lifetime: Duration) -> String {
        let iat = now();
        let claims = Issued { exp: iat + lifetime.as_secs_f64(), iat, sub: subject };
        // HS256 with a symmetric key and plain numbers cannot fail; an empty token is refused by every
        // server.
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.signing).unwrap_or_default()
    }

    /// The user a token was issued for: signed with this secret, by HS256 and nothing else, with `exp`
    /// to come, `iat`, and `nbf`, where there is one, past.
    #[must_use]
    pub fn verify(&self, token: &str) -> Option<Arc<str>> {
        let now = now();
        if let Some(verified) = self.known().get(token) {
            return verified.holds(now).then(|| Arc::clone(&verified.subject));
        }
        let claims: Claims = jsonwebtoken::decode(token, &self.verifying, &self.validation).ok()?.claims;
        let not_before = claims.nbf.map(|nbf| nbf.0);
        let verified = Verified { subject: claims.sub.into(), expires: claims.exp.0, not_before };
        if !verified.holds(now) {
            return None;
        }
        let subject = Arc::clone(&verified.subject);
        let mut known = self.known();
        if known.len() >= KNOWN {
            known.retain(|_, verified| verified.expires > now);
            if known.len() >= KNOWN {
                known.clear();
            }
        }
        known.insert(token.into(), verified);
        Some(subject)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Box<str>, Verified>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(claims: &serde_json::Value, algorithm: Algorithm) -> String {
        jsonwebtoken::encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(b"s")).unwrap()
    }

    #[test]
    fn a_token_that_is_known_is_looked_at_again() {
        let tokens = Tokens::new(b"s");
        let verify = |text: &str| tokens.verify(text).is_some();
        let over = |text: &str| tokens.known().get_mut(text).unwrap().expires = now() - 1.0;
        let token = tokens.issue("u", Duration::from_secs(60));
        assert!(verify(&token) && verify(&token));
        over(&token);
        assert!(!verify(&token), "it is over");
        for number in 0..3 * KNOWN {
            assert!(verify(&tokens.issue(&number.to_string(), Duration::from_secs(60))));
            assert!(tokens.known().len() <= KNOWN);
        }
    }

    #[test]
    fn claims_are_checked() {
        let tokens = Tokens::new(b"s");
        let (past, soon) = (now() - 5.0, now() + 60.5);
        let verify = |claims: serde_json::Value| tokens.verify(&signed(&claims, Algorithm::HS256));
        for (claims, valid) in [
            (serde_json::json!({"exp": soon, "iat": past, "sub": "u"}), true),
            (serde_json::json!({"exp": soon as i64, "iat": soon, "sub": "u", "aud": "x", "more": [1]}), true),
            (serde_json::json!({"exp": soon.to_string(), "iat": past, "sub": "u", "nbf": past}), true),
            (serde_json::json!({"exp": past, "iat": past, "sub": "u"}), false),
            (serde_json::json!({"exp": "tomorrow", "iat": past, "sub": "u"}), false),
            (serde_json::json!({"exp": "inf", "iat": past, "sub": "u"}), false),
            (serde_json::json!({"exp": soon, "sub": "u"}), false),
            (serde_json::json!({"iat": past, "sub": "u"}), false),
            (serde_json::json!({"exp": soon, "iat": past}), false),
            (serde_json::json!({"exp": soon, "iat": past, "sub": 5}), false),
            (serde_json::json!({"exp": soon, "iat": past, "sub": "u", "nbf": soon}), false),
        ] {
            assert_eq!(verify(claims.clone()).is_some(), valid, "{claims}");
        }
        let claims = serde_json::json!({"exp": soon, "iat": past, "sub": "u"});
        assert_eq!(tokens.verify(&signed(&claims, Algorithm::HS512)), None);
        assert_eq!(tokens.verify(""), None);
        assert_eq!(tokens.verify("a.b.c"), None);
    }
}
