//! Durations: Python's `timedelta`, and pendulum's interval, which knows its ends.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use chrono::TimeDelta;
use minijinja::value::{DynObject, Object, ObjectRepr};
use minijinja::{Error, ErrorKind, State, Value};

use super::{Moment, out_of_range};

#[derive(Clone, Debug, PartialEq)]
pub(in crate::template) struct Span {
    pub(super) delta: TimeDelta,
    pub(super) ends: Option<Box<(Moment, Moment)>>,
}

impl Span {
    pub(in crate::template) fn new(delta: TimeDelta) -> Self {
        Self { delta, ends: None }
    }

    pub(super) fn plus(&self, other: &Self, sign: i32) -> Result<Self, Error> {
        let other = other.delta.checked_mul(sign).ok_or_else(out_of_range)?;
        self.delta.checked_add(&other).map(Self::new).ok_or_else(out_of_range)
    }

    fn micros(&self) -> i64 {
        self.delta.num_microseconds().unwrap_or(i64::MAX)
    }

    fn total(&self, seconds: f64) -> Value {
        Value::from(self.micros() as f64 / 1e6 / seconds)
    }

    /// Days, seconds and microseconds; only days may be negative, as in Python.
    fn parts(&self) -> (i64, i64, i64) {
        let micros = self.micros();
        let (seconds, rest) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
        (seconds.div_euclid(86_400), seconds.rem_euclid(86_400), rest)
    }

    pub(in crate::template) fn write_repr(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        if self.ends.is_some() {
            return write!(out, "{self}");
        }
        let (days, seconds, micros) = self.parts();
        let parts = [("days", days), ("seconds", seconds), ("microseconds", micros)];
        let given: Vec<String> =
            parts.iter().filter(|(_, value)| *value != 0).map(|(name, value)| format!("{name}={value}")).collect();
        let given = if given.is_empty() { "0".to_owned() } else { given.join(", ") };
        write!(out, "datetime.timedelta({given})")
    }
}

impl fmt::Display for Span {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(ends) = &self.ends {
            return write!(formatter, "<Interval [{} -> {}]>", ends.0, ends.1);
        }
        let (days, seconds, micros) = self.parts();
        if days != 0 {
            write!(formatter, "{days} day{}, ", if days.abs() == 1 { "" } else { "s" })?;
        }
        write!(formatter, "{}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)?;
        if micros != 0 {
            write!(formatter, ".{micros:06}")?;
        }
        Ok(())
    }
}

impl Object for Span {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let (days, seconds, micros) = self.parts();
        let value = match (key.as_str()?, &self.ends) {
            ("days", _) => Value::from(days),
            ("seconds", _) => Value::from(seconds),
            ("microseconds", _) => Value::from(micros),
            ("start", Some(ends)) => Value::from_object(ends.0.clone()),
            ("end", Some(ends)) => Value::from_object(ends.1.clone()),
            ("hours", Some(_)) => Value::from(seconds / 3_600),
            ("minutes", Some(_)) => Value::from(seconds / 60 % 60),
            ("remaining_seconds", Some(_)) => Value::from(seconds % 60),
            _ => return None,
        };
        Some(value)
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        let () = minijinja::value::from_args(args)?;
        let whole = |seconds: i64| Value::from(self.micros() / 1_000_000 / seconds);
        Ok(match method {
            "total_seconds" => self.total(1.0),
            "total_minutes" => self.total(60.0),
            "total_hours" => self.total(3_600.0),
            "total_days" => self.total(86_400.0),
            "total_weeks" => self.total(604_800.0),
            "in_seconds" => whole(1),
            "in_minutes" => whole(60),
            "in_hours" => whole(3_600),
            "in_days" => whole(86_400),
            "in_weeks" => whole(604_800),
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        })
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        self.delta.partial_cmp(&other.downcast_ref::<Self>()?.delta)
    }

    fn is_true(self: &Arc<Self>) -> bool {
        self.delta != TimeDelta::zero()
    }

    fn render(self: &Arc<Self>, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_ref(), formatter)
    }
}
