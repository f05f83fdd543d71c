//! Timetables of data intervals: a run covers the time from one tick to the next, and is due when that is over.

use chrono::{DateTime, TimeDelta, Utc};

use super::{DataInterval, NextRun, Restriction, Ticks};

pub(super) fn next_run(
    ticks: &Ticks,
    last: Option<DataInterval>,
    restriction: &Restriction,
    now: DateTime<Utc>,
) -> Option<NextRun> {
    let earliest = match restriction.earliest {
        _ if !restriction.catchup => Some(latest_complete_start(ticks, restriction.earliest, now)?),
        Some(earliest) => Some(ticks.align_to_next(earliest)?),
        None => None,
    };
    let start = match last {
        None => earliest?,
        Some((last_start, last_end)) => {
            // The last run may be of another schedule, whose intervals ended elsewhere.
            let start = ticks.align_to_previous(last_end)?;
            let start = earliest.map_or(start, |earliest| start.max(earliest));
            if start > last_start { start } else { ticks.next(start).filter(|start| *start > last_start)? }
        }
    };
    if restriction.latest.is_some_and(|latest| start > latest) {
        return None;
    }
    Some(NextRun::of_interval(start, ticks.next(start)?))
}

/// Where the newest interval begins that is over at `now`, but not before the schedule does.
fn latest_complete_start(ticks: &Ticks, earliest: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let start = match ticks {
        Ticks::Cron(_) => {
            let start = ticks.previous(now)?;
            if ticks.next(start)? == now { start } else { ticks.previous(start)? }
        }
        Ticks::Delta(step) => round_down(now, *step) - *step,
    };
    match earliest {
        Some(earliest) => Some(start.max(ticks.align_to_next(earliest)?)),
        None => Some(start),
    }
}

/// The newest interval that was over at this moment.
pub(super) fn last_complete(ticks: &Ticks, moment: DateTime<Utc>) -> Option<DataInterval> {
    let end = ticks.align_to_previous(moment)?;
    Some((ticks.previous(end)?, end))
}

/// The last multiple of `step` since 1970.
fn round_down(moment: DateTime<Utc>, step: TimeDelta) -> DateTime<Utc> {
    let microseconds = step.num_microseconds().unwrap_or(i64::MAX).max(1);
    moment
        - TimeDelta::microseconds(moment.timestamp_micros().rem_euclid(microseconds))
        - TimeDelta::nanoseconds(i64::from(moment.timestamp_subsec_nanos() % 1_000))
}
