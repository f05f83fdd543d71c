//! Where an object lies, as people write it.

use std::fmt;
use std::str::FromStr;

use super::ObjectError;

/// A key, and perhaps the bucket it is in: `s3://bucket/path/to/key`, or a key alone, which lies in the connection's own
/// bucket. Any scheme will do; the connection knows what kind of store it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// None for the connection's own.
    pub bucket: Option<String>,
    /// Without a slash at its start.
    pub key: String,
}

impl FromStr for Location {
    type Err = ObjectError;

    fn from_str(text: &str) -> Result<Self, ObjectError> {
        let (bucket, key) = match text.split_once("://") {
            None => (None, text),
            Some((_, rest)) => match rest.split_once('/') {
                Some((bucket, key)) if !bucket.is_empty() => (Some(bucket.to_owned()), key),
                _ => return Err(ObjectError::Invalid(format!("`{text}` is not of the form `s3://bucket/key`"))),
            },
        };
        let key = key.trim_start_matches('/');
        if key.is_empty() {
            return Err(ObjectError::Invalid(format!("`{text}` names no object: it has no key")));
        }
        Ok(Self { bucket, key: key.to_owned() })
    }
}

impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.bucket {
            Some(bucket) => write!(formatter, "s3://{bucket}/{}", self.key),
            None => formatter.write_str(&self.key),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_urls_and_keys() {
        let location = |text: &str| text.parse::<Location>().map(|location| (location.bucket, location.key));
        assert_eq!(location("s3://lake/a/b.csv"), Ok((Some("lake".into()), "a/b.csv".into())));
        assert_eq!(location("a/b.csv"), Ok((None, "a/b.csv".into())));
        assert_eq!(location("/a"), Ok((None, "a".into())));
        for wrong in ["s3://lake", "s3://lake/", "s3:///key", ""] {
            assert!(location(wrong).is_err(), "{wrong}");
        }
    }
}
