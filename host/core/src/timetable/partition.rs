//! Runs that stand for a partition of the data: a key, made of the date of a tick.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::{Ticks, TimetableError};
use crate::template::{Moment, strftime};

/// What a run of a partitioned DAG is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partition {
    pub key: String,
    /// None where somebody named the key: no date can be told from it.
    pub date: Option<DateTime<Utc>>,
}

/// Whether keys can be made by this format.
///
/// # Errors
/// What is wrong with it.
pub fn check_key_format(format: &str) -> Result<(), String> {
    key(format, DateTime::UNIX_EPOCH.with_timezone(&Tz::UTC)).map(drop)
}

/// Characters of a key, as in Airflow.
pub const LONGEST_KEY: usize = 250;

/// The partition that a run at a tick is about: the one that lies `offset` ticks after it, or before it. Its key is its date in
/// the timetable's own time zone, written as `format`, in Python's directives, says.
pub(super) fn of(
    ticks: &Ticks,
    timezone: Tz,
    offset: i32,
    format: &str,
    tick: DateTime<Utc>,
) -> Result<Partition, TimetableError> {
    let step = |date: DateTime<Utc>| if offset > 0 { ticks.next(date) } else { ticks.previous(date) };
    let date = (0..offset.unsigned_abs()).try_fold(tick, |date, _| step(date));
    let date = date.ok_or_else(|| TimetableError(format!("there is no partition {offset} ticks from {tick}")))?;
    let key = key(format, date.with_timezone(&timezone)).map_err(TimetableError)?;
    Ok(Partition { key, date: Some(date) })
}

fn key(format: &str, date: DateTime<Tz>) -> Result<String, String> {
    let key = strftime(&Moment::Zoned(date), format).map_err(|error| error.detail().unwrap_or_default().to_owned())?;
    let length = key.chars().count();
    if (1..=LONGEST_KEY).contains(&length) {
        Ok(key)
    } else {
        Err(format!("`{format}` makes a key of {length} characters; 1 to {LONGEST_KEY} are valid"))
    }
}
