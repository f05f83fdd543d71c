//! Airflow's `macros`, as far as they are pure: a template gives the same each time it is rendered.

use std::sync::Arc;

use chrono::{Days, NaiveDate};
use minijinja::value::{Kwargs, Object, ObjectRepr, Serde, from_args};
use minijinja::{Error, ErrorKind, State, Value};

use super::dates::{Moment, Span, invalid, strftime, strptime, time_delta};
use super::python::{JsonStyle, dumps};

/// Members of Airflow's `macros` that read a clock or make something up.
const IMPURE: &[&str] = &["random", "uuid", "time"];

#[derive(Debug)]
pub(super) struct Macros;

fn impure(name: &str) -> Error {
    invalid(format!("`{name}` is not available: a template must give the same each time it is rendered"))
}

impl Object for Macros {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "datetime" => Some(Value::from_object(DateTimeClass)),
            "json" => Some(Value::from_object(JsonModule)),
            name if IMPURE.contains(&name) => Some(Value::from(impure(&format!("macros.{name}")))),
            _ => None,
        }
    }

    fn call_method(self: &Arc<Self>, state: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        match method {
            "ds_add" => {
                let (ds, days): (&str, i64) = from_args(args)?;
                ds_add(ds, days)
            }
            "ds_format" => {
                let (text, from, to): (&str, &str, &str) = from_args(args)?;
                strftime(&strptime(text, from)?, to).map(Value::from)
            }
            "timedelta" => timedelta(args),
            "datetime" => Value::from_object(DateTimeClass).call(state, args),
            _ if IMPURE.contains(&method) => Err(impure(&format!("macros.{method}"))),
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }
}

fn ds_add(ds: &str, days: i64) -> Result<Value, Error> {
    if days == 0 {
        return Ok(Value::from(ds));
    }
    let date = NaiveDate::parse_from_str(ds, "%Y-%m-%d")
        .map_err(|_| invalid(format!("`ds_add` takes a date such as \"2026-01-31\", found \"{ds}\"")))?;
    let count = Days::new(days.unsigned_abs());
    let moved = if days < 0 { date.checked_sub_days(count) } else { date.checked_add_days(count) };
    let moved = moved.ok_or_else(|| invalid("the date is out of range"))?;
    Ok(Value::from(moved.format("%Y-%m-%d").to_string()))
}

/// `timedelta(days, seconds, microseconds, milliseconds, minutes, hours, weeks)`: Python's order.
fn timedelta(args: &[Value]) -> Result<Value, Error> {
    const NAMES: [&str; 7] = ["days", "seconds", "microseconds", "milliseconds", "minutes", "hours", "weeks"];
    let (positional, named): (&[Value], Kwargs) = from_args(args)?;
    if positional.len() > NAMES.len() {
        return Err(Error::from(ErrorKind::TooManyArguments));
    }
    let mut delta = time_delta(&named, &NAMES)?;
    named.assert_all_used()?;
    let positional: Kwargs = NAMES.iter().zip(positional).map(|(name, value)| (*name, value.clone())).collect();
    delta += time_delta(&positional, &NAMES)?;
    Ok(Value::from_object(Span::new(delta)))
}

/// Python's class `datetime.datetime`.
#[derive(Debug)]
struct DateTimeClass;

impl Object for DateTimeClass {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        const NAMES: [&str; 7] = ["year", "month", "day", "hour", "minute", "second", "microsecond"];
        let (positional, named): (&[Value], Kwargs) = from_args(args)?;
        let mut parts = [0u32; 7];
        for (index, (name, part)) in NAMES.iter().zip(&mut parts).enumerate() {
            *part = match positional.get(index) {
                Some(value) => u32::try_from(value.clone())?,
                None => named.get::<Option<u32>>(name)?.unwrap_or(0),
            };
        }
        named.assert_all_used()?;
        let [year, month, day, hour, minute, second, microsecond] = parts;
        let date = i32::try_from(year).ok().and_then(|year| NaiveDate::from_ymd_opt(year, month, day));
        date.filter(|_| (1..=9999).contains(&year))
            .and_then(|date| date.and_hms_micro_opt(hour, minute, second, microsecond))
            .map(|local| Value::from_object(Moment::Naive(local)))
            .ok_or_else(|| invalid("there is no such date; `datetime` takes year, month, day, hour, minute, second"))
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        match method {
            "strptime" => {
                let (text, format): (&str, &str) = from_args(args)?;
                strptime(text, format).map(Value::from_object)
            }
            "fromisoformat" => {
                let (text,): (&str,) = from_args(args)?;
                let formats = ["%Y-%m-%dT%H:%M:%S%.f%:z", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d"];
                let found = formats.iter().find_map(|format| strptime(text, format).ok());
                found.map(Value::from_object).ok_or_else(|| invalid(format!("\"{text}\" is no ISO 8601 date")))
            }
            "now" | "utcnow" | "today" => Err(impure(&format!("datetime.{method}"))),
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }
}

/// Python's module `json`.
#[derive(Debug)]
struct JsonModule;

impl Object for JsonModule {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        match method {
            "dumps" => {
                let (value, kwargs): (&Value, Kwargs) = from_args(args)?;
                let style = JsonStyle {
                    sort_keys: kwargs.get::<Option<bool>>("sort_keys")?.unwrap_or(false),
                    indent: kwargs.get::<Option<usize>>("indent")?.map(|indent| indent.min(16)),
                    html_safe: false,
                };
                kwargs.assert_all_used()?;
                dumps(value, style).map(Value::from).map_err(invalid)
            }
            "loads" => {
                let (text,): (&str,) = from_args(args)?;
                let value: serde_json::Value =
                    serde_json::from_str(text).map_err(|error| invalid(format!("this is no JSON: {error}")))?;
                Ok(Value::from(Serde(value)))
            }
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }
}
