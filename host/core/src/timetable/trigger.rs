//! Timetables that run at each tick: a run's data interval ends at its tick, and is empty unless the schedule says otherwise.

use chrono::{DateTime, TimeDelta, Utc};

use super::{DataInterval, NextRun, Restriction, Ticks};
use crate::dag::RunImmediately;

pub(super) fn next_run(
    ticks: &[Ticks],
    interval: TimeDelta,
    run_immediately: RunImmediately,
    last: Option<DataInterval>,
    restriction: &Restriction,
    now: DateTime<Utc>,
) -> Option<NextRun> {
    let candidates = ticks
        .iter()
        .filter_map(|ticks| next_tick(ticks, run_immediately, last, restriction, now))
        .filter(|tick| restriction.latest.is_none_or(|latest| *tick <= latest));
    let tick = if restriction.catchup {
        candidates.min()
    } else {
        // Of what is due, only the newest counts; where nothing is due, what comes first.
        candidates.min_by_key(|tick| {
            let logical_date = *tick - interval;
            if logical_date <= now { (false, now - logical_date) } else { (true, logical_date - now) }
        })
    }?;
    Some(NextRun::of_interval(tick - interval, tick))
}

fn next_tick(
    ticks: &Ticks,
    run_immediately: RunImmediately,
    last: Option<DataInterval>,
    restriction: &Restriction,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let following = match (last, restriction.earliest) {
        (Some((_, end)), _) => ticks.next(end),
        (None, None) => first_tick(ticks, run_immediately, now),
        (None, Some(earliest)) => ticks.align_to_next(earliest),
    };
    if restriction.catchup {
        return following;
    }
    let earliest = restriction.earliest.map(|earliest| ticks.align_to_next(earliest));
    // A candidate that does not exist (the schedule has ended) must not lose to one that does.
    [Some(ticks.align_to_previous(now)), Some(following), earliest]
        .into_iter()
        .flatten()
        .collect::<Option<Vec<_>>>()?
        .into_iter()
        .max()
}

/// Where neither a start date nor a run says where to begin: the tick that has just passed, or the next one.
fn first_tick(ticks: &Ticks, run_immediately: RunImmediately, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let past = ticks.align_to_previous(now)?;
    let next = ticks.align_to_next(now)?;
    let patience = match run_immediately {
        RunImmediately::Always => return Some(past),
        RunImmediately::Within(seconds) => seconds.as_time_delta(),
        // Airflow's default does not mean never: what has only just passed is still run.
        RunImmediately::Never => ((next - past) / 10).max(TimeDelta::minutes(5)),
    };
    Some(if now - past <= patience { past } else { next })
}
