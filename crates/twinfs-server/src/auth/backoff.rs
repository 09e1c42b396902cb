//! Back-off after failed logins, by name and address: the first few cost nothing, each further one
//! waits twice as long. A guesser is slowed down; who mistyped is not.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

/// Failures that cost nothing.
const FREE: u32 = 10;
/// The first pause.
const FIRST: Duration = Duration::from_millis(100);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(10);
/// After so long without a failure all is forgiven.
const FORGET: Duration = Duration::from_secs(15 * 60);
/// Logins of one name and address that wait their turn; more are sent away.
const WAITING: usize = 8;
/// Logins of one host that are looked at, or stand in the queue for it; more are sent away, so that a flood of
/// ever other names leaves the other hosts a turn.
const AT_ONCE: usize = 64;
/// Names and addresses remembered, at most.
const REMEMBERED: usize = 10_000;

/// The digest of a name, however long that is, and a host.
type Key = ([u8; 32], IpAddr);

#[derive(Debug)]
struct Record {
    failures: u32,
    last: Instant,
    /// Logins with failures behind them are tried one after the other.
    turn: Arc<AsyncMutex<()>>,
}

/// The failed logins of late.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    records: Mutex<HashMap<Key, Record>>,
    /// How many logins of each host are looked at.
    under_way: Mutex<HashMap<IpAddr, usize>>,
}

/// A login among those of its host that are looked at.
#[derive(Debug)]
struct Place<'a> {
    backoff: &'a Backoff,
    host: IpAddr,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut under_way = self.backoff.under_way();
        if let Some(count) = under_way.get_mut(&self.host) {
            *count -= 1;
            if *count == 0 {
                under_way.remove(&self.host);
            }
        }
    }
}

/// A login that may be tried now.
#[derive(Debug)]
pub(crate) struct Attempt<'a> {
    backoff: &'a Backoff,
    key: Key,
    _turn: Option<OwnedMutexGuard<()>>,
    _place: Place<'a>,
}

/// Too many logins of this name and address, or of the address, are waiting already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Crowded;

/// How long a login waits after so many failures.
fn pause(failures: u32) -> Duration {
    match failures.checked_sub(FREE) {
        None => Duration::ZERO,
        Some(over) => FIRST.saturating_mul(2_u32.saturating_pow(over)).min(LONGEST),
    }
}

/// What one host can have of addresses: of IPv6 a network of 64 bits, whose every address is its own.
fn host(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) & !u128::from(u64::MAX)).into(),
        address => address,
    }
}

impl Backoff {
    fn records(&self) -> MutexGuard<'_, HashMap<Key, Record>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits as long as the failures before demand.
    pub(crate) async fn attempt(&self, name: &str, address: IpAddr) -> Result<Attempt<'_>, Crowded> {
        let key: Key = (Sha256::digest(name).into(), host(address));
        let turn = self.records().get(&key).map(|record| Arc::clone(&record.turn));
        let Some(turn) = turn else {
            return Ok(Attempt { backoff: self, key, _turn: None, _place: self.place(key.1)? });
        };
        // The record and the one at work hold one each.
        if Arc::strong_count(&turn) > WAITING + 2 {
            return Err(Crowded);
        }
        let turn = turn.lock_owned().await;
        let failures = self.records().get(&key).map_or(0, |record| record.failures);
        tokio::time::sleep(pause(failures)).await;
        Ok(Attempt { backoff: self, key, _turn: Some(turn), _place: self.place(key.1)? })
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place among the logins of a host, held while one is looked at and not while it pauses.
    fn place(&self, host: IpAddr) -> Result<Place<'_>, Crowded> {
        let mut under_way = self.under_way();
        let count = under_way.entry(host).or_insert(0);
        if *count >= AT_ONCE {
            return Err(Crowded);
        }
        *count += 1;
        Ok(Place { backoff: self, host })
    }
}

impl Attempt<'_> {
    /// The login was right: what failed before is forgiven.
    pub(crate) fn succeeded(self) {
        self.backoff.records().remove(&self.key);
    }

    /// The login was wrong.
    pub(crate) fn failed(self) {
        let now = Instant::now();
        let mut records = self.backoff.records();
        if records.len() >= REMEMBERED {
            records.retain(|_, record| now.duration_since(record.last) < FORGET);
        }
        if records.len() >= REMEMBERED
            && let Some(oldest) = records.iter().min_by_key(|(_, record)| record.last).map(|(key, _)| *key)
        {
            records.remove(&oldest);
        }
        let fresh = || Record { failures: 0, last: now, turn: Arc::default() };
        let record = records.entry(self.key).or_insert_with(fresh);
        if now.duration_since(record.last) >= FORGET {
            record.failures = 0;
        }
        record.failures = record.failures.saturating_add(1);
        record.last = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn pauses_double_up_to_the_longest() {
        let millis: Vec<u128> = (FREE - 1..FREE + 9).map(|failures| pause(failures).as_millis()).collect();
        assert_eq!(millis, [0, 100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        assert_eq!(pause(u32::MAX), LONGEST);
    }

    #[tokio::test(start_paused = true)]
    async fn failures_slow_down_their_own_name_and_address_alone() {
        let backoff = Backoff::default();
        for _ in 0..FREE {
            backoff.attempt("ada", HERE).await.unwrap().failed();
        }
        let start = tokio::time::Instant::now();
        backoff.attempt("bob", HERE).await.unwrap().failed();
        assert_eq!(start.elapsed(), Duration::ZERO);
        backoff.attempt("ada", HERE).await.unwrap().failed();
        backoff.attempt("ada", HERE).await.unwrap().succeeded();
        assert_eq!(start.elapsed(), Duration::from_millis(300));
        backoff.attempt("ada", HERE).await.unwrap().failed();
        assert_eq!(start.elapsed(), Duration::from_millis(300));
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_cannot_leave_its_failures_behind_by_another_address_of_its_own() {
        let backoff = Backoff::default();
        for number in 0..FREE {
            let address = format!("2001:db8::{number:x}").parse().unwrap();
            backoff.attempt("ada", address).await.unwrap().failed();
        }
        let start = tokio::time::Instant::now();
        backoff.attempt("ada", "2001:db8:0:1::".parse().unwrap()).await.unwrap().failed();
        assert_eq!(start.elapsed(), Duration::ZERO, "another host");
        backoff.attempt("ada", "2001:db8::ffff".parse().unwrap()).await.unwrap().failed();
        assert_eq!(start.elapsed(), FIRST);
    }

    #[tokio::test(start_paused = true)]
    async fn a_crowd_of_guesses_is_sent_away() {
        let backoff = Backoff::default();
        for _ in 0..FREE {
            backoff.attempt("ada", HERE).await.unwrap().failed();
        }
        let guesses = (0..40).map(|_| async { backoff.attempt("ada", HERE).await.map(Attempt::failed) });
        let refused =
            futures_util::future::join_all(guesses).await.into_iter().filter(Result::is_err).count();
        assert!((40 - WAITING - 3..40).contains(&refused), "{refused}");
    }

    #[tokio::test]
    async fn a_flood_of_names_from_one_host_leaves_the_others_a_turn() {
        let backoff = Backoff::default();
        let mut flood = Vec::new();
        for number in 0..AT_ONCE {
            flood.push(backoff.attempt(&number.to_string(), HERE).await.unwrap());
        }
        assert_eq!(backoff.attempt("ada", HERE).await.map(drop), Err(Crowded));
        assert!(backoff.attempt("ada", "203.0.113.1".parse().unwrap()).await.is_ok());
        flood.pop().unwrap().failed();
        assert!(backoff.attempt("ada", HERE).await.is_ok());
        drop(flood);
        assert!(backoff.under_way().is_empty());
    }

    #[tokio::test]
    async fn memory_is_bounded() {
        let backoff = Backoff::default();
        for number in 0..REMEMBERED + 50 {
            backoff.attempt(&number.to_string(), HERE).await.unwrap().failed();
        }
        assert_eq!(backoff.records().len(), REMEMBERED);
    }
}
