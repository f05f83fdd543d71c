//! Timetables without ticks.

use chrono::{DateTime, Utc};

use super::{DataInterval, NextRun, Restriction};

/// One run, at the start date, or now where there is none; catching up or not makes no difference.
pub(super) fn once(last: Option<DataInterval>, restriction: &Restriction, now: DateTime<Utc>) -> Option<NextRun> {
    if last.is_some() {
        return None;
    }
    let moment = restriction.earliest.unwrap_or(now);
    restriction.latest.is_none_or(|latest| moment <= latest).then(|| NextRun::exactly(moment))
}

/// A run from where the last one ended up to now.
pub(super) fn continuous(last: Option<DataInterval>, restriction: &Restriction, now: DateTime<Utc>) -> Option<NextRun> {
    let earliest = restriction.earliest.unwrap_or(now);
    let (start, end) = match last {
        // The start date lies in the future, and the first run has been planned for it.
        Some((last_start, last_end)) if last_end > now => (earliest, earliest + (last_end - last_start)),
        Some((_, last_end)) => (last_end, now),
        None => (earliest, earliest.max(now)),
    };
    restriction.latest.is_none_or(|latest| end <= latest).then(|| NextRun::of_interval(start, end))
}

/// The next of some dates, which are in order.
pub(super) fn event(
    dates: &[DateTime<Utc>],
    last: Option<DataInterval>,
    restriction: &Restriction,
    now: DateTime<Utc>,
) -> Option<NextRun> {
    let earliest = match restriction.earliest {
        earliest if restriction.catchup => earliest,
        Some(earliest) => Some(earliest.max(now)),
        None => Some(now),
    };
    let next = dates.iter().copied().find(|date| {
        earliest.is_none_or(|earliest| *date >= earliest) && last.is_none_or(|(_, last_end)| *date > last_end)
    })?;
    restriction.latest.is_none_or(|latest| next <= latest).then(|| NextRun::exactly(next))
}
