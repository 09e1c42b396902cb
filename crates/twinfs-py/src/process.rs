//! What belongs to this process and to no other: the token that handles of memory trees carry.

use std::sync::Mutex;
use std::sync::PoisonError;

use twinfs::{Error, Result, fork};

/// A text that no other process has, a forked child included.
pub(crate) fn token() -> Result<String> {
    static TOKEN: Mutex<Option<(u64, String)>> = Mutex::new(None);
    let generation = fork::generation();
    let _section = fork::section();
    let mut token = TOKEN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((made_in, text)) = &*token
        && *made_in == generation
    {
        return Ok(text.clone());
    }
    let mut random = [0_u8; 16];
    getrandom::fill(&mut random).map_err(|error| Error::from_io(error.into()))?;
    let text = format!("{}-{:032x}", std::process::id(), u128::from_ne_bytes(random));
    *token = Some((generation, text.clone()));
    Ok(text)
}
