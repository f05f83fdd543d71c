//! Numbers, and the instants that they are made from.

use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use serde_json::Value;

pub fn instant(value: &Value) -> Result<DateTime<Utc>> {
    let text = value.as_str().context("an instant is missing")?;
    Ok(DateTime::parse_from_rfc3339(text)?.with_timezone(&Utc))
}

pub fn milliseconds(from: DateTime<Utc>, to: DateTime<Utc>) -> f64 {
    (to - from).as_seconds_f64() * 1e3
}

/// The value below which this share of the values lies.
pub fn quantile(values: &[f64], share: f64) -> Result<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1).context("nothing was measured")?;
    values.get((last as f64 * share).round() as usize).copied().context("nothing was measured")
}

/// More digits than four say more than a measurement knows.
pub fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}
