//! Instants as people write them in queries and bodies.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize, de};
use utoipa::PartialSchema;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Schema};

/// An RFC 3339 instant. Without an offset it is in UTC, and a bare date is its midnight, as in Airflow's queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Instant(pub DateTime<Utc>);

impl Instant {
    fn parse(text: &str) -> Option<Self> {
        // A `+` that was not escaped in a query arrives as a space.
        let text = match text.rfind(' ') {
            Some(at) if at > "2026-01-01T".len() => format!("{}+{}", &text[..at], &text[at + 1..]),
            _ => text.to_owned(),
        };
        let naive = |text: &str| {
            NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f")
                .or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f"))
                .ok()
                .or_else(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0))
        };
        DateTime::parse_from_rfc3339(&text)
            .map(|instant| instant.with_timezone(&Utc))
            .ok()
            .or_else(|| naive(&text).map(|instant| instant.and_utc()))
            .map(Self)
    }
}

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            de::Error::custom(format!("`{text}` is not an instant; `2026-01-31T06:00:00Z` (RFC 3339) would be"))
        })
    }
}

impl PartialSchema for Instant {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .into()
    }
}

impl utoipa::ToSchema for Instant {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_clients_send() {
        let expected = "2026-01-31T06:00:00Z".parse::<DateTime<Utc>>().unwrap();
        for text in [
            "2026-01-31T06:00:00Z",
            "2026-01-31T07:00:00+01:00",
            "2026-01-31T07:00:00 01:00",
            "2026-01-31T06:00:00",
            "2026-01-31T06:00:00.000",
            "2026-01-31 06:00:00",
        ] {
            assert_eq!(Instant::parse(text).map(|instant| instant.0), Some(expected), "{text}");
        }
        assert_eq!(Instant::parse("2026-01-31").map(|instant| instant.0), Some(expected - chrono::TimeDelta::hours(6)));
        for text in ["", "yesterday", "2026-02-30", "06:00"] {
            assert_eq!(Instant::parse(text), None, "{text}");
        }
    }
}
