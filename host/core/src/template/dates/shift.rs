//! Moving along the calendar: `add`, `subtract`, `start_of`, `end_of`, `replace`.

use chrono::{Datelike, Days, Months, NaiveDate, NaiveDateTime, TimeDelta, Timelike};
use minijinja::value::Kwargs;
use minijinja::{Error, Value};

use super::{Moment, invalid, out_of_range, zone};

/// Years to weeks move the wall clock; hours and less are lengths of time, as in pendulum.
pub(super) fn shift(moment: &Moment, kwargs: &Kwargs, sign: i64) -> Result<Moment, Error> {
    let whole = |name: &str| -> Result<i64, Error> {
        let number: Option<i64> = kwargs.get(name)?;
        number.unwrap_or(0).checked_mul(sign).ok_or_else(out_of_range)
    };
    let sum = |large: &str, times: i64, small: &str| -> Result<i64, Error> {
        let large = whole(large)?.checked_mul(times).ok_or_else(out_of_range)?;
        large.checked_add(whole(small)?).ok_or_else(out_of_range)
    };
    let local = add_months(moment.local(), sum("years", 12, "months")?)?;
    let local = add_days(local, sum("weeks", 7, "days")?)?;
    let moved = moment.with_local(local)?;
    let delta = time_delta(kwargs, &["hours", "minutes", "seconds", "microseconds"])?;
    kwargs.assert_all_used()?;
    if delta.is_zero() {
        return Ok(moved);
    }
    moved.plus(&super::Span::new(delta), i32::try_from(sign).unwrap_or(1))
}

/// The sum of the named keyword arguments, each in the unit that it is named for; fractions are allowed.
pub(in crate::template) fn time_delta(kwargs: &Kwargs, names: &[&str]) -> Result<TimeDelta, Error> {
    let mut micros = 0.0;
    for name in names {
        let amount: Option<f64> = kwargs.get(name)?;
        micros += amount.unwrap_or(0.0)
            * match *name {
                "weeks" => 604_800e6,
                "days" => 86_400e6,
                "hours" => 3_600e6,
                "minutes" => 60e6,
                "seconds" => 1e6,
                "milliseconds" => 1e3,
                _ => 1.0,
            };
    }
    // Ten thousand years: more than any two dates can be apart.
    if !(-3.2e17..=3.2e17).contains(&micros) {
        return Err(out_of_range());
    }
    Ok(TimeDelta::microseconds(micros.round() as i64))
}

fn add_months(local: NaiveDateTime, months: i64) -> Result<NaiveDateTime, Error> {
    let count = Months::new(u32::try_from(months.unsigned_abs()).map_err(|_| out_of_range())?);
    let moved = if months < 0 { local.checked_sub_months(count) } else { local.checked_add_months(count) };
    moved.ok_or_else(out_of_range)
}

fn add_days(local: NaiveDateTime, days: i64) -> Result<NaiveDateTime, Error> {
    let count = Days::new(days.unsigned_abs());
    let moved = if days < 0 { local.checked_sub_days(count) } else { local.checked_add_days(count) };
    moved.ok_or_else(out_of_range)
}

/// The first moment of the unit that `moment` lies in.
pub(super) fn start_of(moment: &Moment, unit: &str) -> Result<Moment, Error> {
    moment.with_local(local_start(moment.local(), unit)?)
}

/// The last microsecond of the unit.
pub(super) fn end_of(moment: &Moment, unit: &str) -> Result<Moment, Error> {
    let start = local_start(moment.local(), unit)?;
    let next = match unit {
        "second" => start.checked_add_signed(TimeDelta::seconds(1)),
        "minute" => start.checked_add_signed(TimeDelta::minutes(1)),
        "hour" => start.checked_add_signed(TimeDelta::hours(1)),
        "day" => start.checked_add_days(Days::new(1)),
        "week" => start.checked_add_days(Days::new(7)),
        "month" => start.checked_add_months(Months::new(1)),
        _ => start.checked_add_months(Months::new(12)),
    };
    let last = next.and_then(|next| next.checked_sub_signed(TimeDelta::microseconds(1)));
    moment.with_local(last.ok_or_else(out_of_range)?)
}

fn local_start(local: NaiveDateTime, unit: &str) -> Result<NaiveDateTime, Error> {
    let date = local.date();
    let midnight = |date: Option<NaiveDate>| date.and_then(|date| date.and_hms_opt(0, 0, 0));
    let start = match unit {
        "second" => local.with_nanosecond(0),
        "minute" => date.and_hms_opt(local.hour(), local.minute(), 0),
        "hour" => date.and_hms_opt(local.hour(), 0, 0),
        "day" => midnight(Some(date)),
        "week" => midnight(date.checked_sub_days(Days::new(date.weekday().num_days_from_monday().into()))),
        "month" => midnight(date.with_day(1)),
        "year" => midnight(NaiveDate::from_ymd_opt(date.year(), 1, 1)),
        _ => {
            return Err(invalid(format!(
                "`{unit}` is no unit; valid are second, minute, hour, day, week, month, year"
            )));
        }
    };
    start.ok_or_else(out_of_range)
}

/// `replace(day=1, hour=0, tzinfo='UTC')`.
pub(super) fn replace(moment: &Moment, kwargs: &Kwargs) -> Result<Moment, Error> {
    let local = moment.local();
    let part = |name: &str, old: u32| -> Result<u32, Error> { Ok(kwargs.get::<Option<u32>>(name)?.unwrap_or(old)) };
    let year = kwargs.get::<Option<i32>>("year")?.unwrap_or(local.year());
    let date = NaiveDate::from_ymd_opt(year, part("month", local.month())?, part("day", local.day())?);
    let micros = part("microsecond", local.nanosecond() / 1_000)?;
    let (hour, minute, second) =
        (part("hour", local.hour())?, part("minute", local.minute())?, part("second", local.second())?);
    let new_zone: Option<String> = kwargs.get::<Option<&str>>("tzinfo")?.or(kwargs.get("tz")?).map(str::to_owned);
    kwargs.assert_all_used()?;
    let replaced = date
        .and_then(|date| date.and_hms_micro_opt(hour, minute, second, micros))
        .ok_or_else(|| invalid("there is no such date or time"))?;
    match new_zone {
        Some(name) => Moment::Zoned(super::in_zone(replaced, zone(&name)?)?).checked(),
        None => moment.with_local(replaced),
    }
}

/// The arguments of `add` and `subtract`: names, or one duration.
pub(super) fn only_value(args: &[Value]) -> Option<&Value> {
    match args {
        [value] if !value.is_kwargs() => Some(value),
        _ => None,
    }
}
