//! Moments as texts.

use std::time::SystemTime;

use chrono::{DateTime, NaiveDate, NaiveTime, SecondsFormat, Utc};

/// Why a text is no moment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no moment; valid are RFC 3339, such as `2026-01-31T06:00:00+01:00`, and dates, such as `2026-01-31`")]
pub struct MomentError(String);

/// Reads what templates make of moments: RFC 3339 (`{{ ts }}`), also with a space in it (`{{ logical_date }}`), and a date
/// (`{{ ds }}`), which is its first moment in UTC.
///
/// # Errors
/// If the text is neither, or has no offset.
pub fn moment(text: &str) -> Result<SystemTime, MomentError> {
    let text = text.trim();
    let date = || NaiveDate::parse_from_str(text, "%Y-%m-%d").map(|date| date.and_time(NaiveTime::MIN).and_utc());
    DateTime::parse_from_rfc3339(text)
        .map(|moment| moment.to_utc())
        .or_else(|_| date())
        .map(Into::into)
        .map_err(|_| MomentError(text.to_owned()))
}

/// Writes a moment as RFC 3339 in UTC, such as `2026-01-31T06:00:00Z`, with as much of a fraction as it has.
pub fn format_moment(moment: SystemTime) -> String {
    DateTime::<Utc>::from(moment).to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::{format_moment, moment};

    #[test]
    fn what_templates_make_is_read() {
        let day = UNIX_EPOCH + Duration::from_secs(1_769_817_600);
        for text in ["2026-01-31", "2026-01-31T00:00:00Z", "2026-01-31T01:00:00+01:00", " 2026-01-31 00:00:00+00:00"] {
            assert_eq!(moment(text), Ok(day), "{text}");
        }
        assert_eq!(moment("2026-01-31T00:00:00.5Z"), Ok(day + Duration::from_millis(500)));
        assert_eq!(format_moment(day + Duration::from_millis(500)), "2026-01-31T00:00:00.500Z");
        for text in ["", "None", "2026-02-30", "2026-01-31T00:00:00", "tomorrow"] {
            assert!(moment(text).unwrap_err().to_string().contains("RFC 3339"), "{text}");
        }
    }
}
