//! When runs of a DAG are due, and what each of them covers.
//!
//! Everything follows from the schedule, the newest automated run and the moment that is asked about, so that it can be asked
//! again at any time: what the database keeps of it is only an index of what is due next.

mod cron;
mod interval;
mod partition;
mod run_id;
mod special;
mod trigger;
mod wall_clock;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::dag::{Dag, RunImmediately, Schedule, Seconds};
use wall_clock::WallClock;

pub use partition::{LONGEST_KEY, Partition, check_key_format};
pub use run_id::{partition_run_id, run_id, run_type_of};

/// A half-open span of data: from, up to but not including.
pub type DataInterval = (DateTime<Utc>, DateTime<Utc>);

/// A run that is to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextRun {
    /// The earliest moment at which it may start.
    pub run_after: DateTime<Utc>,
    pub logical_date: Option<DateTime<Utc>>,
    pub data_interval: Option<DataInterval>,
}

impl NextRun {
    /// A run of an interval is due at its end, and its logical date is its start.
    fn of_interval(start: DateTime<Utc>, end: DateTime<Utc>) -> Self {
        Self { run_after: end, logical_date: Some(start), data_interval: Some((start, end)) }
    }

    /// A run without data of its own covers the moment at which it is due.
    pub fn span(&self) -> DataInterval {
        self.data_interval.unwrap_or((self.run_after, self.run_after))
    }

    fn exactly(moment: DateTime<Utc>) -> Self {
        Self::of_interval(moment, moment)
    }
}

/// A schedule that cannot be: the text says what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TimetableError(pub String);

/// The run that follows `last`, the span of the newest run that a timetable or backfill made. None if there will be
/// none. It may be due already.
pub fn next_run(dag: &Dag, last: Option<DataInterval>, now: DateTime<Utc>) -> Result<Option<NextRun>, TimetableError> {
    Ok(Timetable::of(&dag.schedule, &dag.timezone)?.next_run(last, &Restriction::of(dag), now))
}

/// The `count` runs that follow `last`, fewer if the schedule ends.
pub fn next_runs(
    dag: &Dag,
    last: Option<DataInterval>,
    now: DateTime<Utc>,
    count: usize,
) -> Result<Vec<NextRun>, TimetableError> {
    let timetable = Timetable::of(&dag.schedule, &dag.timezone)?;
    let restriction = Restriction::of(dag);
    let following = |last| timetable.next_run(last, &restriction, now);
    Ok(std::iter::successors(following(last), |run| following(Some(run.span()))).take(count).collect())
}

/// The runs of a schedule whose data begin between two moments, both included, whatever the DAG's own bounds are.
pub fn runs_between(
    dag: &Dag,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<impl Iterator<Item = NextRun>, TimetableError> {
    let timetable = Timetable::of(&dag.schedule, &dag.timezone)?;
    let restriction = Restriction { earliest: Some(from), latest: Some(to), catchup: true };
    let following = move |last| timetable.next_run(last, &restriction, now);
    Ok(std::iter::successors(following(None), move |run| following(Some(run.span()))))
}

/// Whether runs come at times of their own, so that a past span can be backfilled.
pub const fn is_periodic(schedule: &Schedule) -> bool {
    matches!(
        schedule,
        Schedule::CronTrigger { .. }
            | Schedule::CronDataInterval { .. }
            | Schedule::DeltaTrigger { .. }
            | Schedule::DeltaDataInterval { .. }
            | Schedule::Events { .. }
            | Schedule::CronPartition { .. }
    )
}

/// When the timetable has the run after one with this span, whatever the DAG's own bounds are; none where runs do not come at
/// times of their own.
pub fn run_after_next(
    dag: &Dag,
    span: DataInterval,
    now: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, TimetableError> {
    if !is_periodic(&dag.schedule) {
        return Ok(None);
    }
    let restriction = Restriction { earliest: None, latest: None, catchup: true };
    let next = Timetable::of(&dag.schedule, &dag.timezone)?.next_run(Some(span), &restriction, now);
    Ok(next.map(|next| next.run_after))
}

/// The partition that a run of this DAG at one of its ticks is about; none where the DAG is not partitioned.
pub fn partition(dag: &Dag, tick: DateTime<Utc>) -> Result<Option<Partition>, TimetableError> {
    match Timetable::of(&dag.schedule, &dag.timezone)? {
        Timetable::Partition { ticks, timezone, offset, key_format, .. } => {
            partition::of(&ticks, timezone, offset, &key_format, tick).map(Some)
        }
        _ => Ok(None),
    }
}

/// The data interval of a run that somebody asks for, to start at `run_after`.
pub fn manual_data_interval(dag: &Dag, run_after: DateTime<Utc>) -> Result<DataInterval, TimetableError> {
    Ok(Timetable::of(&dag.schedule, &dag.timezone)?.manual_data_interval(run_after))
}

/// Whether a schedule can be followed in this time zone.
pub fn check(schedule: &Schedule, timezone: &str) -> Result<(), String> {
    Timetable::of(schedule, timezone).map(|_| ()).map_err(|error| error.0)
}

/// Whether a cron expression, of five or six fields, can be read and ever comes true.
pub fn check_cron(expression: &str) -> Result<(), String> {
    let cron = cron::Cron::parse(expression)?;
    match cron.next(DateTime::UNIX_EPOCH.naive_utc()) {
        Some(_) => Ok(()),
        None => Err(format!("`{expression}` never comes true: no such month has such a day")),
    }
}

/// What a DAG allows of its timetable.
struct Restriction {
    earliest: Option<DateTime<Utc>>,
    latest: Option<DateTime<Utc>>,
    catchup: bool,
}

impl Restriction {
    fn of(dag: &Dag) -> Self {
        Self { earliest: dag.start_date, latest: dag.end_date, catchup: dag.catchup }
    }
}

/// Where ticks come from.
#[derive(Clone, Debug)]
enum Ticks {
    Cron(WallClock),
    /// Absolute steps, on no grid: any moment is aligned.
    Delta(TimeDelta),
}

/// A schedule that has been read.
#[derive(Clone, Debug)]
enum Timetable {
    Never,
    Once,
    Continuous,
    /// A run at each tick of any of these.
    Trigger {
        ticks: Vec<Ticks>,
        interval: TimeDelta,
        run_immediately: RunImmediately,
    },
    /// A run at the end of each interval between ticks.
    Interval(Ticks),
    /// A run at each tick, about the partition that lies so many ticks from it.
    Partition {
        ticks: Ticks,
        timezone: Tz,
        offset: i32,
        key_format: String,
        run_immediately: RunImmediately,
    },
    /// In order.
    Events(Vec<DateTime<Utc>>),
}

impl Timetable {
    fn of(schedule: &Schedule, timezone: &str) -> Result<Self, TimetableError> {
        let timezone: Tz = timezone.parse().map_err(|_| {
            TimetableError(format!("`{timezone}` is not a time zone; IANA names such as `Europe/Berlin` or `UTC` are"))
        })?;
        let cron = |expression: &String| Ticks::cron(expression, timezone);
        Ok(match schedule {
            // Runs that follow from assets have no times of their own.
            Schedule::None | Schedule::Assets { .. } => Self::Never,
            Schedule::Once => Self::Once,
            Schedule::Continuous => Self::Continuous,
            Schedule::CronTrigger { cron: expressions, interval, run_immediately } => {
                if expressions.is_empty() {
                    return Err(TimetableError("at least one cron expression is needed".to_owned()));
                }
                Self::Trigger {
                    ticks: expressions.iter().map(cron).collect::<Result<_, _>>()?,
                    interval: interval.as_time_delta(),
                    run_immediately: *run_immediately,
                }
            }
            Schedule::CronDataInterval { cron: expression } => Self::Interval(cron(expression)?),
            Schedule::CronPartition { cron: expression, run_offset, key_format, run_immediately } => Self::Partition {
                ticks: cron(expression)?,
                timezone,
                offset: *run_offset,
                key_format: key_format.clone(),
                run_immediately: *run_immediately,
            },
            Schedule::DeltaTrigger { delta, interval } => Self::Trigger {
                ticks: vec![Ticks::delta(*delta)?],
                interval: interval.as_time_delta(),
                run_immediately: RunImmediately::Never,
            },
            Schedule::DeltaDataInterval { delta } => Self::Interval(Ticks::delta(*delta)?),
            Schedule::Events { dates } => {
                let mut dates = dates.clone();
                dates.sort_unstable();
                Self::Events(dates)
            }
        })
    }

    fn next_run(&self, last: Option<DataInterval>, restriction: &Restriction, now: DateTime<Utc>) -> Option<NextRun> {
        match self {
            Self::Never => None,
            Self::Once => special::once(last, restriction, now),
            Self::Continuous => special::continuous(last, restriction, now),
            Self::Events(dates) => special::event(dates, last, restriction, now),
            Self::Interval(ticks) => interval::next_run(ticks, last, restriction, now),
            Self::Partition { ticks, run_immediately, .. } => {
                let ticks = std::slice::from_ref(ticks);
                let run = trigger::next_run(ticks, TimeDelta::zero(), *run_immediately, last, restriction, now)?;
                Some(NextRun { run_after: run.run_after, logical_date: None, data_interval: None })
            }
            Self::Trigger { ticks, interval, run_immediately } => {
                trigger::next_run(ticks, *interval, *run_immediately, last, restriction, now)
            }
        }
    }

    fn manual_data_interval(&self, run_after: DateTime<Utc>) -> DataInterval {
        match self {
            Self::Interval(ticks) => interval::last_complete(ticks, run_after).unwrap_or((run_after, run_after)),
            Self::Trigger { interval, .. } => (run_after - *interval, run_after),
            Self::Never | Self::Once | Self::Continuous | Self::Events(_) | Self::Partition { .. } => {
                (run_after, run_after)
            }
        }
    }
}

impl Ticks {
    fn cron(expression: &str, timezone: Tz) -> Result<Self, TimetableError> {
        check_cron(expression).map_err(TimetableError)?;
        Ok(Self::Cron(WallClock::new(expression, timezone).map_err(TimetableError)?))
    }

    fn delta(delta: Seconds) -> Result<Self, TimetableError> {
        let step = delta.as_time_delta();
        if step <= TimeDelta::zero() {
            return Err(TimetableError(format!("the delta is {} seconds; it must be more than 0", delta.0)));
        }
        Ok(Self::Delta(step))
    }

    fn next(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self {
            Self::Cron(clock) => clock.next(after),
            Self::Delta(step) => after.checked_add_signed(*step),
        }
    }

    fn previous(&self, before: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self {
            Self::Cron(clock) => clock.previous(before),
            Self::Delta(step) => before.checked_sub_signed(*step),
        }
    }

    /// This moment if it is on a tick, or else the next one.
    fn align_to_next(&self, moment: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self {
            Self::Cron(clock) => clock.align_to_next(moment),
            Self::Delta(_) => Some(moment),
        }
    }

    /// This moment if it is on a tick, or else the one before.
    fn align_to_previous(&self, moment: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self {
            Self::Cron(clock) => clock.align_to_previous(moment),
            Self::Delta(_) => Some(moment),
        }
    }
}
