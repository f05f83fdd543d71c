//! Dates, times and durations as templates know them from pendulum and Python's `datetime`.

mod format;
mod methods;
mod shift;
mod span;

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Timelike, Utc};
use chrono_tz::{OffsetName, Tz};
use minijinja::value::{DynObject, Object, ObjectRepr};
use minijinja::{Error, ErrorKind, State, Value};

pub(crate) use format::strftime;
pub(super) use format::strptime;
pub(super) use shift::time_delta;
pub(super) use span::Span;

/// A date, a date with a time, or a date with a time in a zone.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Moment {
    Date(NaiveDate),
    Naive(NaiveDateTime),
    Zoned(DateTime<Tz>),
}

/// An error of a template's own making.
pub(super) fn invalid(detail: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, detail.into())
}

fn out_of_range() -> Error {
    invalid("the date is not between the years 1 and 9999")
}

impl From<DateTime<Utc>> for Moment {
    fn from(instant: DateTime<Utc>) -> Self {
        Self::Zoned(instant.with_timezone(&Tz::UTC))
    }
}

impl Moment {
    /// Only years that Python knows, so that no arithmetic can leave chrono's range.
    fn checked(self) -> Result<Self, Error> {
        if (1..=9999).contains(&self.local().year()) { Ok(self) } else { Err(out_of_range()) }
    }

    /// As the wall clock shows it.
    fn local(&self) -> NaiveDateTime {
        match self {
            Self::Date(date) => date.and_time(NaiveTime::MIN),
            Self::Naive(local) => *local,
            Self::Zoned(zoned) => zoned.naive_local(),
        }
    }

    /// The same kind of moment at another reading of the wall clock.
    fn with_local(&self, local: NaiveDateTime) -> Result<Self, Error> {
        let moment = match self {
            Self::Date(_) => Self::Date(local.date()),
            Self::Naive(_) => Self::Naive(local),
            Self::Zoned(zoned) => Self::Zoned(in_zone(local, zoned.timezone())?),
        };
        moment.checked()
    }

    /// Python's `isoformat()`, with `separator` between date and time.
    fn iso(&self, separator: char) -> String {
        let local = self.local();
        let date = format!("{:04}-{:02}-{:02}", local.year(), local.month(), local.day());
        if matches!(self, Self::Date(_)) {
            return date;
        }
        let micros = local.nanosecond() / 1_000;
        let fraction = if micros == 0 { String::new() } else { format!(".{micros:06}") };
        let zone = match self {
            Self::Zoned(zoned) => zoned.format("%:z").to_string(),
            _ => String::new(),
        };
        format!("{date}{separator}{:02}:{:02}:{:02}{fraction}{zone}", local.hour(), local.minute(), local.second())
    }

    /// `repr`, as it shows in a printed list.
    pub(super) fn write_repr(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        let local = self.local();
        let (year, month, day) = (local.year(), local.month(), local.day());
        let clock = format!("{}, {}, {}", local.hour(), local.minute(), local.second());
        match self {
            Self::Date(_) => write!(out, "Date({year}, {month}, {day})"),
            Self::Naive(_) => write!(out, "datetime.datetime({year}, {month}, {day}, {clock})"),
            Self::Zoned(zoned) => {
                let zone = zoned.timezone();
                write!(out, "DateTime({year}, {month}, {day}, {clock}, tzinfo=Timezone('{}'))", zone.name())
            }
        }
    }

    fn attribute(&self, name: &str) -> Option<Value> {
        let local = self.local();
        Some(match name {
            "year" => Value::from(local.year()),
            "month" => Value::from(local.month()),
            "day" => Value::from(local.day()),
            "day_of_week" => Value::from(local.weekday().num_days_from_monday()),
            "day_of_year" => Value::from(local.ordinal()),
            "week_of_year" => Value::from(local.iso_week().week()),
            "week_of_month" => {
                let first = local.date().with_day(1)?.weekday().num_days_from_monday();
                Value::from((local.day() + first - 1) / 7 + 1)
            }
            "days_in_month" => Value::from(local.date().num_days_in_month()),
            "quarter" => Value::from((local.month() - 1) / 3 + 1),
            _ if matches!(self, Self::Date(_)) => return None,
            "hour" => Value::from(local.hour()),
            "minute" => Value::from(local.minute()),
            "second" => Value::from(local.second()),
            "microsecond" => Value::from(local.nanosecond() / 1_000),
            _ => return self.zoned_attribute(name),
        })
    }

    fn zoned_attribute(&self, name: &str) -> Option<Value> {
        let Self::Zoned(zoned) = self else { return None };
        Some(match name {
            "int_timestamp" => Value::from(zoned.timestamp()),
            "float_timestamp" => Value::from(zoned.timestamp_micros() as f64 / 1e6),
            "timezone_name" => Value::from(zoned.timezone().name()),
            "timezone" | "tz" | "tzinfo" => Value::from(zoned.timezone().name()),
            "offset" => Value::from(offset_seconds(zoned)),
            "offset_hours" => Value::from(f64::from(offset_seconds(zoned)) / 3_600.0),
            _ => return None,
        })
    }
}

fn offset_seconds(zoned: &DateTime<Tz>) -> i32 {
    use chrono::Offset;
    zoned.offset().fix().local_minus_utc()
}

/// The moment at which a zone's wall clock reads `local`: the later one where it does so twice, and where it never does, as
/// much later as the clock jumps. Both are pendulum's choice.
fn in_zone(local: NaiveDateTime, zone: Tz) -> Result<DateTime<Tz>, Error> {
    use chrono::Offset;
    if !(1..=9999).contains(&local.year()) {
        return Err(out_of_range());
    }
    if let Some(zoned) = zone.from_local_datetime(&local).latest() {
        return Ok(zoned);
    }
    let day_before = local.checked_sub_signed(TimeDelta::days(1)).ok_or_else(out_of_range)?;
    let offset = zone.offset_from_utc_datetime(&day_before).fix();
    let utc = local.checked_sub_offset(offset).ok_or_else(out_of_range)?;
    Ok(zone.from_utc_datetime(&utc))
}

/// A zone by its IANA name.
fn zone(name: &str) -> Result<Tz, Error> {
    name.parse().map_err(|_| invalid(format!("`{name}` is no time zone of the IANA database")))
}

/// The ISO 8601 form of a date or a duration; none for another value.
pub(super) fn iso_format(value: &Value) -> Option<String> {
    if let Some(moment) = value.downcast_object_ref::<Moment>() {
        return Some(moment.iso('T'));
    }
    value.downcast_object_ref::<Span>().map(ToString::to_string)
}

/// `left + right`, where at least one of them is a date or a duration; none where neither is.
pub(super) fn add(left: &Value, right: &Value) -> Option<Result<Value, Error>> {
    let sum = match (left.downcast_object_ref::<Span>(), right.downcast_object_ref::<Span>()) {
        (Some(left), Some(right)) => left.plus(right, 1).map(Value::from_object),
        (None, Some(span)) => left.downcast_object_ref::<Moment>()?.plus(span, 1).map(Value::from_object),
        (Some(span), None) => right.downcast_object_ref::<Moment>()?.plus(span, 1).map(Value::from_object),
        (None, None) => return None,
    };
    Some(sum)
}

/// `left - right`, likewise.
pub(super) fn subtract(left: &Value, right: &Value) -> Option<Result<Value, Error>> {
    let left_moment = left.downcast_object_ref::<Moment>();
    let difference = match (left_moment, right.downcast_object_ref::<Moment>(), right.downcast_object_ref::<Span>()) {
        (Some(left), Some(right), _) => left.since(right).map(Value::from_object),
        (Some(left), None, Some(span)) => left.plus(span, -1).map(Value::from_object),
        (None, None, Some(span)) => left.downcast_object_ref::<Span>()?.plus(span, -1).map(Value::from_object),
        _ => return None,
    };
    Some(difference)
}

impl Moment {
    fn plus(&self, span: &Span, sign: i32) -> Result<Self, Error> {
        let delta = span.delta.checked_mul(sign).ok_or_else(out_of_range)?;
        let moment = match self {
            Self::Date(_) => {
                // A date knows whole days only.
                let days = TimeDelta::days(delta.num_days());
                return self.with_local(self.local().checked_add_signed(days).ok_or_else(out_of_range)?);
            }
            Self::Naive(local) => Self::Naive(local.checked_add_signed(delta).ok_or_else(out_of_range)?),
            Self::Zoned(zoned) => Self::Zoned(zoned.checked_add_signed(delta).ok_or_else(out_of_range)?),
        };
        moment.checked()
    }

    /// `self - earlier`: between moments of one kind.
    fn since(&self, earlier: &Self) -> Result<Span, Error> {
        let delta = match (self, earlier) {
            (Self::Zoned(later), Self::Zoned(earlier)) => later.signed_duration_since(*earlier),
            (Self::Zoned(_), _) | (_, Self::Zoned(_)) => {
                return Err(invalid("a date without a time zone cannot be subtracted from one with, or the reverse"));
            }
            (later, earlier) => later.local().signed_duration_since(earlier.local()),
        };
        // Python's own dates give a `timedelta`, pendulum's an interval with two ends.
        let plain = matches!((self, earlier), (Self::Naive(_), _));
        let ends = (!plain).then(|| Box::new((earlier.clone(), self.clone())));
        Ok(Span { delta, ends })
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.iso(' '))
    }
}

impl Object for Moment {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.attribute(key.as_str()?)
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        methods::call(self, method, args)
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        match (self.as_ref(), other.downcast_ref::<Self>()?) {
            (Self::Zoned(left), Self::Zoned(right)) => left.partial_cmp(right),
            (left, right) => left.local().partial_cmp(&right.local()),
        }
    }

    fn render(self: &Arc<Self>, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_ref(), formatter)
    }
}

/// The short name that a zone's clock has at a moment, such as `CEST`.
fn zone_abbreviation(zoned: &DateTime<Tz>) -> String {
    zoned.offset().abbreviation().map_or_else(|| zoned.format("%:z").to_string(), str::to_owned)
}
