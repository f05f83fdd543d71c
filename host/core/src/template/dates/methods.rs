//! What a date can be asked.

use minijinja::value::{Kwargs, from_args};
use minijinja::{Error, ErrorKind, Value};

use super::{Moment, Span, format, invalid, offset_seconds, shift, zone};

use chrono::{Datelike, TimeDelta};

pub(super) fn call(moment: &Moment, method: &str, args: &[Value]) -> Result<Value, Error> {
    let object = |moment: Moment| Ok(Value::from_object(moment));
    match method {
        "strftime" => {
            let (format,): (&str,) = from_args(args)?;
            format::strftime(moment, format).map(Value::from)
        }
        "format" => {
            let (format,): (&str,) = from_args(args)?;
            format::tokens(moment, format).map(Value::from)
        }
        "isoformat" => {
            let (separator,): (Option<&str>,) = from_args(args)?;
            let separator = separator.unwrap_or("T").chars().next().unwrap_or('T');
            Ok(Value::from(moment.iso(separator)))
        }
        "add" | "subtract" => {
            let sign = if method == "add" { 1 } else { -1 };
            if let Some(span) = shift::only_value(args).and_then(|value| value.downcast_object_ref::<Span>()) {
                return object(moment.plus(span, sign)?);
            }
            let (kwargs,): (Kwargs,) = from_args(args)?;
            object(shift::shift(moment, &kwargs, sign.into())?)
        }
        "replace" => {
            let (kwargs,): (Kwargs,) = from_args(args)?;
            object(shift::replace(moment, &kwargs)?)
        }
        "start_of" => {
            let (unit,): (&str,) = from_args(args)?;
            object(shift::start_of(moment, unit)?)
        }
        "end_of" => {
            let (unit,): (&str,) = from_args(args)?;
            object(shift::end_of(moment, unit)?)
        }
        "diff" => {
            let (other,): (&Value,) = from_args(args)?;
            let other = other.downcast_object_ref::<Moment>().ok_or_else(|| invalid("`diff` needs a date"))?;
            let span = other.since(moment)?;
            // Pendulum's `diff` is absolute.
            let forward = span.delta >= TimeDelta::zero();
            Ok(Value::from_object(if forward { span } else { moment.since(other)? }))
        }
        _ => without_arguments(moment, method, args),
    }
}

fn without_arguments(moment: &Moment, method: &str, args: &[Value]) -> Result<Value, Error> {
    let local = moment.local();
    let text = |format: &str| format::strftime(moment, format).map(Value::from);
    match method {
        "date" => Ok(Value::from_object(Moment::Date(local.date()))),
        "naive" => Ok(Value::from_object(Moment::Naive(local))),
        "weekday" => Ok(Value::from(local.weekday().num_days_from_monday())),
        "isoweekday" => Ok(Value::from(local.weekday().number_from_monday())),
        "is_leap_year" => Ok(Value::from(local.date().leap_year())),
        "to_date_string" => text("%Y-%m-%d"),
        "to_time_string" => text("%H:%M:%S"),
        "to_datetime_string" => text("%Y-%m-%d %H:%M:%S"),
        "to_day_datetime_string" => text("%a, %b %-d, %Y %-I:%M %p"),
        "to_iso8601_string" | "to_rfc3339_string" => Ok(Value::from(moment.iso('T'))),
        _ => in_its_zone(moment, method, args),
    }
}

fn in_its_zone(moment: &Moment, method: &str, args: &[Value]) -> Result<Value, Error> {
    let Moment::Zoned(zoned) = moment else { return Err(Error::from(ErrorKind::UnknownMethod)) };
    match method {
        "in_timezone" | "in_tz" | "astimezone" => {
            let (name,): (&str,) = from_args(args)?;
            let moved = Moment::Zoned(zoned.with_timezone(&zone(name)?)).checked()?;
            Ok(Value::from_object(moved))
        }
        "timestamp" => Ok(Value::from(zoned.timestamp_micros() as f64 / 1e6)),
        "utcoffset" => Ok(Value::from_object(Span::new(TimeDelta::seconds(offset_seconds(zoned).into())))),
        "tzname" => Ok(Value::from(super::zone_abbreviation(zoned))),
        _ => Err(Error::from(ErrorKind::UnknownMethod)),
    }
}
