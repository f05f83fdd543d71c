//! Durations: a number of seconds, or ISO 8601.

use serde_json::Value;

use crate::dag::Seconds;
use crate::fault::describe;

/// A century: what arithmetic on instants can carry.
const MAXIMUM: f64 = 100.0 * 366.0 * 86_400.0;

/// Years and months are refused: they have no fixed length.
pub(super) fn read(value: &Value) -> Result<Seconds, String> {
    let seconds = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => parse_iso_8601(text),
        _ => None,
    };
    match seconds {
        Some(seconds) if (0.0..=MAXIMUM).contains(&seconds) => Ok(Seconds(seconds)),
        Some(_) => Err(format!("expected a duration from 0 to 100 years, found {}", describe(value))),
        None => Err(format!(
            "expected a number of seconds or an ISO 8601 duration such as \"PT30S\" or \"P1DT12H\", found {}",
            describe(value)
        )),
    }
}

/// `P1W`, `P1DT2H3M4.5S` and their parts.
fn parse_iso_8601(text: &str) -> Option<f64> {
    let (date, time) = match text.strip_prefix('P')?.split_once('T') {
        Some((date, time)) if !time.is_empty() => (date, time),
        Some(_) => return None,
        None => (text.strip_prefix('P')?, ""),
    };
    if date.is_empty() && time.is_empty() {
        return None;
    }
    let date = sum_of_parts(date, &[('W', 604_800.0), ('D', 86_400.0)])?;
    let time = sum_of_parts(time, &[('H', 3_600.0), ('M', 60.0), ('S', 1.0)])?;
    Some(date + time)
}

/// Numbers with units, in the order of `units`, each unit at most once.
fn sum_of_parts(mut text: &str, units: &[(char, f64)]) -> Option<f64> {
    let mut sum = 0.0;
    let mut units = units.iter();
    while !text.is_empty() {
        let end = text.find(|character: char| !character.is_ascii_digit() && character != '.')?;
        let number: f64 = text.get(..end)?.parse().ok()?;
        let unit = text.get(end..)?.chars().next()?;
        let (_, seconds) = units.find(|(letter, _)| *letter == unit)?;
        sum += number * seconds;
        text = text.get(end + unit.len_utf8()..)?;
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_numbers_and_iso_8601() {
        for (value, seconds) in [
            (json!(30), 30.0),
            (json!(0.5), 0.5),
            (json!("PT30S"), 30.0),
            (json!("PT1H30M"), 5_400.0),
            (json!("P1DT12H"), 129_600.0),
            (json!("P2W"), 1_209_600.0),
            (json!("PT0.25S"), 0.25),
        ] {
            assert_eq!(read(&value), Ok(Seconds(seconds)), "{value}");
        }
    }

    #[test]
    fn refuses_what_has_no_fixed_length_or_no_meaning() {
        for value in [
            json!("30"),
            json!("P"),
            json!("PT"),
            json!("P1Y"),
            json!("P1M"),
            json!("PT1S1H"),
            json!("PTS"),
            json!("PT1H1H"),
            json!("P1DT"),
            json!("-PT1S"),
            json!(-1),
            json!(1e300),
            json!(true),
            json!("PT1.2.3S"),
            json!("PTñ"),
        ] {
            assert!(read(&value).is_err(), "{value}");
        }
    }
}
