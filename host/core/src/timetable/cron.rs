//! Cron expressions on a wall clock that never jumps: the only place that knows the `cron` crate.
//!
//! The crate iterates over calendar fields, and that is all that it is asked for. It refuses five fields, numbers weekdays
//! from 1, joins the two day fields by AND and knows neither `L` nor `#`, so the expression is read here, with the meaning that
//! Airflow gives it (croniter's), and becomes several schedules of the crate whose earliest (or latest) answer counts. Local
//! time is carried as `DateTime<Utc>`, so that the crate cannot apply its own idea of daylight saving.

use std::collections::BTreeSet;
use std::str::FromStr;

use chrono::{DateTime, Datelike, Days, NaiveDateTime, Utc};

/// Airflow's presets that stand for a cron expression.
const PRESETS: &[(&str, &str)] = &[
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@quarterly", "0 0 1 */3 *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

const MONTHS: &[&str] = &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: &[&str] = &["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// A field of an expression: its name and bounds, names for its numbers in order, and other spellings of single numbers.
struct Field {
    name: &'static str,
    low: u32,
    high: u32,
    names: &'static [&'static str],
    aliases: &'static [(&'static str, u32)],
    /// Whether `?` means `*`.
    any: bool,
}

const SECOND: Field = Field { name: "second", low: 0, high: 59, names: &[], aliases: &[], any: false };
const MINUTE: Field = Field { name: "minute", ..SECOND };
const HOUR: Field = Field { name: "hour", high: 23, ..SECOND };
const DAY: Field = Field { name: "day of month", low: 1, high: 31, aliases: &[("l", 31)], any: true, ..SECOND };
const MONTH: Field = Field { name: "month", low: 1, high: 12, names: MONTHS, ..SECOND };
const WEEKDAY: Field =
    Field { name: "day of week", high: 6, names: WEEKDAYS, aliases: &[("7", 0)], any: true, ..SECOND };

/// Which of the days that a schedule yields count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum DayFilter {
    Every,
    LastOfMonth,
    /// The n-th of its weekday in the month.
    Nth(u32),
    /// The last of its weekday in the month.
    LastOfWeekday,
}

impl DayFilter {
    fn accepts(self, moment: &DateTime<Utc>) -> bool {
        let leaves_month = |days| moment.checked_add_days(Days::new(days)).is_none_or(|l| l.month() != moment.month());
        match self {
            Self::Every => true,
            Self::LastOfMonth => leaves_month(1),
            Self::Nth(n) => (moment.day() - 1) / 7 + 1 == n,
            Self::LastOfWeekday => leaves_month(7),
        }
    }
}

/// A cron expression of five fields, or six with seconds at the end.
#[derive(Clone, Debug)]
pub struct Cron {
    /// The expression fires when any of these does.
    schedules: Vec<(cron::Schedule, DayFilter)>,
    every_hour: bool,
}

impl Cron {
    /// Reads an expression or preset. The error says which field is wrong and what would be right.
    pub fn parse(expression: &str) -> Result<Self, String> {
        let lowered = expression.trim().to_ascii_lowercase();
        let text = PRESETS.iter().find(|(preset, _)| *preset == lowered).map_or(lowered.as_str(), |(_, cron)| cron);
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let (minute, hour, day, month, weekday, second) = match fields[..] {
            [minute, hour, day, month, weekday] => (minute, hour, day, month, weekday, "0"),
            [minute, hour, day, month, weekday, second] => (minute, hour, day, month, weekday, second),
            _ => {
                return Err(format!(
                    "`{expression}` has {} fields; a cron expression has 5 (minute, hour, day of month, month, day of week) \
                     or 6 (and second), or is one of {}",
                    fields.len(),
                    PRESETS.iter().map(|(preset, _)| *preset).collect::<Vec<_>>().join(", ")
                ));
            }
        };
        let hours = HOUR.values(hour)?;
        let clock = format!("{} {} {}", list(&SECOND.values(second)?), list(&MINUTE.values(minute)?), list(&hours));
        let months = list(&MONTH.values(month)?);
        let schedules = day_alternatives(day, weekday)?
            .into_iter()
            .map(|(days, weekdays, filter)| {
                let canonical = format!("{clock} {days} {months} {weekdays}");
                let schedule = cron::Schedule::from_str(&canonical);
                Ok((schedule.map_err(|error| format!("`{expression}` is not a cron expression: {error}"))?, filter))
            })
            .collect::<Result<_, String>>()?;
        Ok(Self { schedules, every_hour: hours.len() == 24 })
    }

    /// Whether the expression's hour is `*`, so that both readings of a folded hour count.
    pub fn covers_every_hour(&self) -> bool {
        self.every_hour
    }

    /// The first tick after this local time; none if there is none before the year 2100.
    pub fn next(&self, after: NaiveDateTime) -> Option<NaiveDateTime> {
        let after = after.and_utc();
        let firsts = self
            .schedules
            .iter()
            .filter_map(|(schedule, filter)| schedule.after(&after).find(|moment| filter.accepts(moment)));
        firsts.min().map(|moment| moment.naive_utc())
    }

    /// The last tick before this local time; none if there is none since 1970.
    pub fn previous(&self, before: NaiveDateTime) -> Option<NaiveDateTime> {
        let before = before.and_utc();
        let lasts = self
            .schedules
            .iter()
            .filter_map(|(schedule, filter)| schedule.after(&before).rev().find(|moment| filter.accepts(moment)));
        lasts.max().map(|moment| moment.naive_utc())
    }
}

/// The two day fields as alternatives, each a day-of-month field and a weekday field of the crate (of which at least one is
/// `*`) and a filter. Where both fields are restricted, either may match.
fn day_alternatives(day: &str, weekday: &str) -> Result<BTreeSet<(String, String, DayFilter)>, String> {
    let mut alternatives = BTreeSet::new();
    let (special, plain) = split(day, |item| (item == "l").then_some(DayFilter::LastOfMonth));
    for (_, filter) in special {
        alternatives.insert(("28-31".to_owned(), "*".to_owned(), filter));
    }
    if let Some(days) = DAY.restriction(&plain, weekday)? {
        alternatives.insert((list(&days), "*".to_owned(), DayFilter::Every));
    }

    let (special, plain) = split(weekday, |item| match item.split_once('#') {
        Some((_, n)) => Some(DayFilter::Nth(n.parse().unwrap_or(0))),
        None => item.strip_prefix('l').filter(|rest| !rest.is_empty()).map(|_| DayFilter::LastOfWeekday),
    });
    for (item, filter) in special {
        if matches!(filter, DayFilter::Nth(n) if !(1..=5).contains(&n)) {
            return Err(WEEKDAY.wrong(item, "after `#` comes a number from 1 to 5"));
        }
        let weekdays = WEEKDAY.values(item.trim_start_matches('l').split('#').next().unwrap_or(item))?;
        alternatives.insert(("*".to_owned(), weekday_list(&weekdays), filter));
    }
    if let Some(weekdays) = WEEKDAY.restriction(&plain, day)? {
        alternatives.insert(("*".to_owned(), weekday_list(&weekdays), DayFilter::Every));
    }

    if alternatives.is_empty() {
        alternatives.insert(("*".to_owned(), "*".to_owned(), DayFilter::Every));
    }
    Ok(alternatives)
}

/// The items of a list that `special` knows, and the rest as a list.
fn split(field: &str, special: impl Fn(&str) -> Option<DayFilter>) -> (Vec<(&str, DayFilter)>, String) {
    let mut specials = Vec::new();
    let mut plain = Vec::new();
    for item in field.split(',') {
        match special(item) {
            Some(filter) => specials.push((item, filter)),
            None => plain.push(item),
        }
    }
    (specials, plain.join(","))
}

fn list(values: &BTreeSet<u32>) -> String {
    values.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
}

/// The crate counts weekdays from 1, Sunday.
fn weekday_list(values: &BTreeSet<u32>) -> String {
    list(&values.iter().map(|day| day + 1).collect())
}

impl Field {
    /// The values of a day field, or none where it leaves the choice of days to the other day field. What is written out
    /// (`1-31`) restricts, as POSIX has it, unless the other field has a `*` in it.
    fn restriction(&self, field: &str, other: &str) -> Result<Option<BTreeSet<u32>>, String> {
        if matches!(field, "" | "*" | "?") {
            return Ok(None);
        }
        let values = self.values(field)?;
        let all = values.len() as u32 == self.length();
        Ok((!all || !other.contains('*')).then_some(values))
    }

    /// Every number that a field stands for: a list of `*`, numbers, names and ranges, each with a step or without.
    fn values(&self, field: &str) -> Result<BTreeSet<u32>, String> {
        if field == "?" && self.any {
            return self.values("*");
        }
        let mut values = BTreeSet::new();
        for item in field.split(',') {
            let (range, step) = match item.split_once('/') {
                None => (item, None),
                Some((range, step)) => (range, Some(step)),
            };
            let step_by = match step.map(str::parse::<u32>) {
                None => 1,
                Some(Ok(step)) if step > 0 => step,
                Some(_) => return Err(self.wrong(item, "a step is a number from 1")),
            };
            let (low, high) = match range.split_once('-') {
                None if range == "*" => (self.low, self.high),
                None if step.is_some() => (self.number(range, item)?, self.high),
                None => (self.number(range, item)?, self.number(range, item)?),
                Some((low, high)) => match (self.number(low, item)?, self.number(high, item)?) {
                    // Airflow reads `mon-mon` as the whole week.
                    (low, high) if low == high => (self.low, self.high),
                    ends => ends,
                },
            };
            // A range that ends before it begins goes round: `fri-mon`, `22-2`.
            let high = if high < low { high + self.length() } else { high };
            let round = |value: u32| (value - self.low) % self.length() + self.low;
            values.extend((low..=high).step_by(step_by as usize).map(round));
        }
        Ok(values)
    }

    fn length(&self) -> u32 {
        self.high - self.low + 1
    }

    fn number(&self, text: &str, item: &str) -> Result<u32, String> {
        let named = self.names.iter().copied().zip(self.low..);
        let mut spelled = named.chain(self.aliases.iter().copied());
        if let Some((_, number)) = spelled.find(|(name, _)| *name == text) {
            return Ok(number);
        }
        match text.parse() {
            Ok(number) if (self.low..=self.high).contains(&number) => Ok(number),
            _ => Err(self.wrong(item, &self.expected())),
        }
    }

    fn expected(&self) -> String {
        let mut expected = format!("valid are {} to {}", self.low, self.high);
        for (alias, _) in self.aliases {
            expected.push_str(&format!(", {alias}"));
        }
        if let [first, .., last] = self.names {
            expected.push_str(&format!(", {first} to {last}"));
        }
        expected
    }

    fn wrong(&self, item: &str, expected: &str) -> String {
        format!("`{item}` in the {} is not valid: {expected}", self.name)
    }
}
