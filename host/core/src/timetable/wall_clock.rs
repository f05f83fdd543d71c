//! Ticks of a cron expression in a time zone: where wall clocks jump, Airflow's rules decide.
//!
//! - A local time that does not exist (the gap of spring) is read with the offset before the jump, so that 02:30 runs at what
//!   the clock then calls 03:30.
//! - A local time that exists twice (the fold of autumn) is read as the second of the two, so that a daily 02:30 runs once.
//! - An expression whose hour is `*` runs in both passes of a folded hour: there, the step from one tick to the next is
//!   measured in absolute time.

use chrono::{DateTime, MappedLocalTime, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

use super::cron::Cron;

#[derive(Clone, Debug)]
pub(super) struct WallClock {
    cron: Cron,
    timezone: Tz,
}

impl WallClock {
    pub(super) fn new(expression: &str, timezone: Tz) -> Result<Self, String> {
        Ok(Self { cron: Cron::parse(expression)?, timezone })
    }

    /// The first tick after this moment.
    pub(super) fn next(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let local = after.with_timezone(&self.timezone).naive_local();
        let tick = self.cron.next(local)?;
        if self.steps_absolutely(tick - local) { Some(after + (tick - local)) } else { self.resolve(tick) }
    }

    /// The last tick before this moment.
    pub(super) fn previous(&self, before: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let local = before.with_timezone(&self.timezone).naive_local();
        let tick = self.cron.previous(local)?;
        if self.steps_absolutely(local - tick) { Some(before - (local - tick)) } else { self.resolve(tick) }
    }

    /// This moment if it is a tick, or else the next one.
    pub(super) fn align_to_next(&self, moment: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let next = self.next(moment)?;
        Some(if self.previous(next) == Some(moment) { moment } else { next })
    }

    /// This moment if it is a tick, or else the one before.
    pub(super) fn align_to_previous(&self, moment: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let previous = self.previous(moment)?;
        Some(if self.next(previous) == Some(moment) { moment } else { previous })
    }

    /// Airflow measures every step of such an expression in absolute time. That is right from hour to hour, but where the days
    /// are restricted it moves Monday's first run by an hour when clocks changed on Sunday: longer steps are read off the wall.
    fn steps_absolutely(&self, step: TimeDelta) -> bool {
        self.cron.covers_every_hour() && step <= TimeDelta::hours(1)
    }

    fn resolve(&self, local: NaiveDateTime) -> Option<DateTime<Utc>> {
        match self.timezone.from_local_datetime(&local) {
            MappedLocalTime::Single(moment) => Some(moment.to_utc()),
            MappedLocalTime::Ambiguous(_, second) => Some(second.to_utc()),
            MappedLocalTime::None => {
                // No zone jumps by more than a day; what the clock showed a day before tells the offset before the jump.
                let day = TimeDelta::days(1);
                let before = self.timezone.from_local_datetime(&(local - day)).latest()?;
                Some(before.to_utc() + day)
            }
        }
    }
}
