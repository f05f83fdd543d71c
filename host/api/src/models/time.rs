//! Durations on the wire.

use airlock_core::dag::Seconds;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

/// A duration as Airflow's task models have it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = TimeDelta)]
pub struct TimeDeltaResponse {
    #[serde(rename = "__type")]
    kind: &'static str,
    days: i64,
    seconds: i64,
    microseconds: i64,
}

impl From<Seconds> for TimeDeltaResponse {
    fn from(seconds: Seconds) -> Self {
        let delta = seconds.as_time_delta();
        Self {
            kind: "TimeDelta",
            days: delta.num_days(),
            seconds: delta.num_seconds() % 86_400,
            microseconds: i64::from(delta.subsec_nanos()) / 1000,
        }
    }
}

/// ISO 8601, as pydantic writes a `timedelta`.
pub fn iso_duration(seconds: Seconds) -> String {
    let delta = seconds.as_time_delta();
    let (days, hours, minutes) = (delta.num_days(), delta.num_hours() % 24, delta.num_minutes() % 60);
    let seconds = delta.num_seconds() % 60;
    let micros = delta.subsec_nanos() / 1000;
    let mut text = "P".to_owned();
    if days > 0 {
        text.push_str(&format!("{days}D"));
    }
    if hours > 0 || minutes > 0 || seconds > 0 || micros > 0 || days == 0 {
        text.push('T');
    }
    if hours > 0 {
        text.push_str(&format!("{hours}H"));
    }
    if minutes > 0 {
        text.push_str(&format!("{minutes}M"));
    }
    if micros > 0 {
        text.push_str(&format!("{seconds}.{micros:06}S"));
    } else if seconds > 0 || text == "PT" {
        text.push_str(&format!("{seconds}S"));
    }
    text
}

/// Seconds between two instants, once both are there.
pub fn duration(from: Option<DateTime<Utc>>, to: Option<DateTime<Utc>>) -> Option<f64> {
    Some((to? - from?).as_seconds_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_airflows() {
        for (seconds, expected) in [
            (0.0, "PT0S"),
            (30.0, "PT30S"),
            (3600.0, "PT1H"),
            (86_400.0, "P1D"),
            (90_061.5, "P1DT1H1M1.500000S"),
            (0.25, "PT0.250000S"),
        ] {
            assert_eq!(iso_duration(Seconds(seconds)), expected);
        }
        let delta = TimeDeltaResponse::from(Seconds(90_061.5));
        assert_eq!((delta.days, delta.seconds, delta.microseconds), (1, 3661, 500_000));
    }
}
