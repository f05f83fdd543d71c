//! Dates as text: Python's `strftime` and `strptime`, and pendulum's tokens.

use std::fmt::Write;

use chrono::format::{Item, Parsed, StrftimeItems, parse};
use chrono::{Datelike, NaiveDate, NaiveTime, Timelike};
use minijinja::Error;

use super::{Moment, invalid, zone_abbreviation};

/// Characters of a format: each may become thirty.
const LONGEST: usize = 1_000;

fn check_length(format: &str) -> Result<(), Error> {
    if format.len() > LONGEST {
        return Err(invalid(format!("a date format is at most {LONGEST} characters long")));
    }
    Ok(())
}

/// chrono reads the directives of C, but for `%f`, which is microseconds in Python.
fn items(format: &str) -> Result<Vec<Item<'static>>, Error> {
    check_length(format)?;
    let mut adapted = String::with_capacity(format.len());
    let mut characters = format.chars();
    while let Some(character) = characters.next() {
        adapted.push(character);
        if character == '%' {
            match characters.next() {
                Some('f') => adapted.push_str("6f"),
                Some(directive) => adapted.push(directive),
                None => {}
            }
        }
    }
    StrftimeItems::new(&adapted)
        .parse_to_owned()
        .map_err(|_| invalid(format!("`{format}` is no date format that is known")))
}

/// Python's `strftime`.
pub(crate) fn strftime(moment: &Moment, format: &str) -> Result<String, Error> {
    let items = items(format)?;
    let mut text = String::new();
    let written = match moment {
        Moment::Zoned(zoned) => write!(text, "{}", zoned.format_with_items(items.iter())),
        // Without a zone, `%z` and `%Z` are empty.
        _ => {
            let zone = |item: &&Item<'_>| !is_zone(item);
            write!(text, "{}", moment.local().format_with_items(items.iter().filter(zone)))
        }
    };
    written.map_err(|_| invalid(format!("a date cannot be written as `{format}`")))?;
    Ok(text)
}

fn is_zone(item: &Item<'_>) -> bool {
    use chrono::format::Fixed;
    matches!(
        item,
        Item::Fixed(
            Fixed::TimezoneName
                | Fixed::TimezoneOffset
                | Fixed::TimezoneOffsetColon
                | Fixed::TimezoneOffsetDoubleColon
                | Fixed::TimezoneOffsetZ
                | Fixed::TimezoneOffsetColonZ
        )
    )
}

/// Python's `datetime.strptime`: what the format leaves out is that of 1 January 1900, midnight.
pub(in crate::template) fn strptime(text: &str, format: &str) -> Result<Moment, Error> {
    let mismatch = || invalid(format!("`{text}` does not match the date format `{format}`"));
    let items = items(format)?;
    let mut parsed = Parsed::new();
    parse(&mut parsed, text, items.iter()).map_err(|_| mismatch())?;
    let date = parsed.to_naive_date().ok().or_else(|| {
        let year = parsed
            .year()
            .or_else(|| parsed.year_mod_100().map(|year| if year < 69 { 2000 + year } else { 1900 + year }));
        NaiveDate::from_ymd_opt(year.unwrap_or(1900), parsed.month().unwrap_or(1), parsed.day().unwrap_or(1))
    });
    let hour = parsed.hour_div_12().zip(parsed.hour_mod_12()).map_or(0, |(half, hour)| half * 12 + hour);
    let time = parsed.to_naive_time().ok().or_else(|| {
        NaiveTime::from_hms_nano_opt(
            hour,
            parsed.minute().unwrap_or(0),
            parsed.second().unwrap_or(0),
            parsed.nanosecond().unwrap_or(0),
        )
    });
    let local = date.ok_or_else(mismatch)?.and_time(time.ok_or_else(mismatch)?);
    match parsed.offset() {
        Some(0) => Moment::Zoned(super::in_zone(local, chrono_tz::Tz::UTC)?).checked(),
        Some(_) => Err(invalid("dates with an offset other than +0000 cannot be read; convert them to UTC first")),
        None => Moment::Naive(local).checked(),
    }
}

/// Pendulum's tokens, the longest first where one begins another.
const TOKENS: &[&str] = &[
    "YYYY", "YY", "Y", "Qo", "Q", "MMMM", "MMM", "MM", "Mo", "M", "DDDD", "DDD", "DD", "Do", "D", "dddd", "ddd", "dd",
    "d", "E", "HH", "H", "hh", "h", "mm", "m", "ss", "s", "SSSSSS", "SSSSS", "SSSS", "SSS", "SS", "S", "A", "X", "x",
    "ZZ", "Z", "zz", "z",
];

/// Pendulum's `format('YYYY-MM-DD')`. What is in square brackets is taken as it stands.
pub(super) fn tokens(moment: &Moment, format: &str) -> Result<String, Error> {
    check_length(format)?;
    let mut text = String::new();
    let mut rest = format;
    while let Some(character) = rest.chars().next() {
        if let Some((literal, after)) = rest.strip_prefix('[').and_then(|inside| inside.split_once(']')) {
            text.push_str(literal);
            rest = after;
        } else if let Some(token) = TOKENS.iter().find(|token| rest.starts_with(**token)) {
            text.push_str(&token_text(moment, token)?);
            rest = rest.get(token.len()..).unwrap_or_default();
        } else {
            text.push(character);
            rest = rest.get(character.len_utf8()..).unwrap_or_default();
        }
    }
    Ok(text)
}

fn token_text(moment: &Moment, token: &str) -> Result<String, Error> {
    let local = moment.local();
    let hour_12 = local.hour12().1;
    Ok(match token {
        "YYYY" => format!("{:04}", local.year()),
        "YY" => format!("{:02}", local.year() % 100),
        "Y" => local.year().to_string(),
        "Q" => local.quarter().to_string(),
        "Qo" => ordinal(local.quarter()),
        "MM" => format!("{:02}", local.month()),
        "M" => local.month().to_string(),
        "Mo" => ordinal(local.month()),
        "MMMM" => return strftime(moment, "%B"),
        "MMM" => return strftime(moment, "%b"),
        "DDDD" => format!("{:03}", local.ordinal()),
        "DDD" => local.ordinal().to_string(),
        "DD" => format!("{:02}", local.day()),
        "D" => local.day().to_string(),
        "Do" => ordinal(local.day()),
        "dddd" => return strftime(moment, "%A"),
        "ddd" => return strftime(moment, "%a"),
        "dd" => strftime(moment, "%a")?.chars().take(2).collect(),
        "d" => local.weekday().num_days_from_sunday().to_string(),
        "E" => local.weekday().number_from_monday().to_string(),
        "HH" => format!("{:02}", local.hour()),
        "H" => local.hour().to_string(),
        "hh" => format!("{hour_12:02}"),
        "h" => hour_12.to_string(),
        "mm" => format!("{:02}", local.minute()),
        "m" => local.minute().to_string(),
        "ss" => format!("{:02}", local.second()),
        "s" => local.second().to_string(),
        "A" => if local.hour12().0 { "PM" } else { "AM" }.to_owned(),
        fraction if fraction.starts_with('S') => {
            format!("{:06}", local.nanosecond() / 1_000).chars().take(fraction.len()).collect()
        }
        zoned => zone_token(moment, zoned),
    })
}

fn zone_token(moment: &Moment, token: &str) -> String {
    let Moment::Zoned(zoned) = moment else { return String::new() };
    match token {
        "X" => zoned.timestamp().to_string(),
        "x" => zoned.timestamp_millis().to_string(),
        "Z" => zoned.format("%:z").to_string(),
        "ZZ" => zoned.format("%z").to_string(),
        "z" => zoned.timezone().name().to_owned(),
        _ => zone_abbreviation(zoned),
    }
}

/// 1st, 2nd, 3rd, 4th, 11th ...
fn ordinal(number: u32) -> String {
    let suffix = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{suffix}")
}
