//! Whether silence of workers means anything.

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;

/// What this scheduler's own contact with the database and with the time says of leases that are over.
///
/// A database that was away, or a clock that jumped, ends every lease at once, and the workers are all well: they extend their
/// leases within a third of one. So leases that are over mean nothing until one more has gone by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Contact {
    judge_from: DateTime<Utc>,
    /// What time it was, and when that was.
    last: (DateTime<Utc>, Instant),
}

impl Contact {
    pub(crate) fn new(now: DateTime<Utc>) -> Self {
        Self { judge_from: now, last: (now, Instant::now()) }
    }

    pub(crate) fn allows_judging(&self, now: DateTime<Utc>) -> bool {
        now >= self.judge_from
    }

    /// The database could not be reached.
    pub(crate) fn broke_off(&mut self, judge_from: DateTime<Utc>) {
        self.judge_from = self.judge_from.max(judge_from);
    }

    /// Whether the time has changed by something else than its passing, in whatever direction, since this was last asked.
    pub(crate) fn clock_has_jumped(&mut self, now: DateTime<Utc>, lease: TimeDelta) -> bool {
        let (then, when) = std::mem::replace(&mut self.last, (now, Instant::now()));
        let passed = TimeDelta::from_std(when.elapsed()).unwrap_or(TimeDelta::MAX);
        let jumped = ((now - then) - passed).abs() > lease / 3;
        if jumped {
            self.judge_from = now + lease;
        }
        jumped
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const LEASE: TimeDelta = TimeDelta::seconds(30);

    #[test]
    fn only_a_time_that_has_not_passed_is_a_jump() {
        let then = DateTime::UNIX_EPOCH;
        let after = |seconds: i64| {
            let when = Instant::now() - Duration::from_secs(20);
            let mut contact = Contact { judge_from: then, last: (then, when) };
            let now = then + TimeDelta::seconds(seconds);
            (contact.clock_has_jumped(now, LEASE), contact.allows_judging(now), contact.allows_judging(now + LEASE))
        };
        assert_eq!(after(20), (false, true, true), "stopped for long, and no jump");
        assert_eq!(after(28), (false, true, true), "a clock that is set right");
        assert_eq!(after(3_620), (true, false, true));
        assert_eq!(after(-3_580), (true, false, true), "workers have a lease from now on, by the new time");
    }

    #[test]
    fn what_was_silent_while_the_database_was_away_may_be_well() {
        let now = DateTime::UNIX_EPOCH;
        let mut contact = Contact::new(now);
        assert!(contact.allows_judging(now));
        contact.broke_off(now + LEASE);
        assert!(!contact.allows_judging(now + LEASE / 2));
        assert!(contact.allows_judging(now + LEASE));
    }
}
