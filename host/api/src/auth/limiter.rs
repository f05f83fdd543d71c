//! A brake on guessing passwords.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use crate::problem::{Answer, Problem};

const WINDOW: TimeDelta = TimeDelta::minutes(5);
/// Failures of one user name from one address.
const PER_USER: u32 = 10;
/// Failures from one address, whatever the user names.
const PER_ADDRESS: u32 = 100;
/// Entries are swept when there are more.
const SWEEP_ABOVE: usize = 10_000;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Address(Option<IpAddr>),
    User(Option<IpAddr>, String),
}

#[derive(Debug)]
struct Failures {
    count: u32,
    since: DateTime<Utc>,
}

/// Counts failed logins by address and user. Counting by user alone would let anybody lock anybody out.
#[derive(Debug, Default)]
pub struct LoginLimiter {
    failures: Mutex<HashMap<Key, Failures>>,
}

impl LoginLimiter {
    /// # Errors
    /// 429, with the time to wait, after too many failures.
    pub fn check(&self, address: Option<IpAddr>, user: &str, now: DateTime<Utc>) -> Answer<()> {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, limit) in [(Key::User(address, user.to_owned()), PER_USER), (Key::Address(address), PER_ADDRESS)] {
            let Some(failed) = failures.get(&key) else { continue };
            let left = failed.since + WINDOW - now;
            if failed.count >= limit && left > TimeDelta::zero() {
                let seconds = left.num_seconds().max(1).unsigned_abs();
                return Err(Problem::too_many(format!("too many failed logins; try again in {seconds} s"), seconds));
            }
        }
        Ok(())
    }

    pub fn failed(&self, address: Option<IpAddr>, user: &str, now: DateTime<Utc>) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() > SWEEP_ABOVE {
            failures.retain(|_, failed| failed.since + WINDOW > now);
        }
        for key in [Key::User(address, user.to_owned()), Key::Address(address)] {
            let failed = failures.entry(key).or_insert(Failures { count: 0, since: now });
            if failed.since + WINDOW <= now {
                *failed = Failures { count: 0, since: now };
            }
            failed.count += 1;
        }
    }

    pub fn succeeded(&self, address: Option<IpAddr>, user: &str) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.remove(&Key::User(address, user.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_eleventh_failure_waits_and_others_do_not() {
        let limiter = LoginLimiter::default();
        let (here, there) = ("10.0.0.1".parse().ok(), "10.0.0.2".parse().ok());
        let start = DateTime::UNIX_EPOCH;
        for _ in 0..PER_USER {
            limiter.check(here, "ada", start).unwrap();
            limiter.failed(here, "ada", start);
        }
        let refused = limiter.check(here, "ada", start + TimeDelta::minutes(1)).unwrap_err();
        assert_eq!(refused.retry_after, Some(240));
        limiter.check(here, "grace", start).unwrap();
        limiter.check(there, "ada", start).unwrap();
        limiter.check(here, "ada", start + WINDOW).unwrap();
    }

    #[test]
    fn an_address_cannot_go_through_all_names() {
        let limiter = LoginLimiter::default();
        for number in 0..PER_ADDRESS {
            limiter.failed(None, &format!("user{number}"), DateTime::UNIX_EPOCH);
        }
        assert!(limiter.check(None, "somebody", DateTime::UNIX_EPOCH).is_err());
    }
}
