//! What an object has to fulfil beside being there.

use std::time::{Duration, SystemTime};

use airlock_sdk::arguments;
use airlock_sdk::object_store::ObjectMeta;
use airlock_sdk::serde::Serialize;

/// What every object found has to fulfil.
#[arguments]
#[derive(Default, Serialize)]
pub struct Check {
    /// At least this many bytes.
    #[serde(default)]
    min_size: Option<u64>,
    /// At most this many bytes.
    #[serde(default)]
    max_size: Option<u64>,
    /// Not written in the last so many seconds: a file that nobody adds to any more.
    #[serde(default)]
    min_age: Option<f64>,
    /// Written in the last so many seconds: not a file of yesterday.
    #[serde(default)]
    max_age: Option<f64>,
}

impl Check {
    /// Why an object does not fulfil this, if it does not.
    pub fn refuses(&self, object: &ObjectMeta, now: SystemTime) -> Option<String> {
        // A store whose clock is ahead of ours has no object from the future.
        let age = now.duration_since(object.last_modified).unwrap_or(Duration::ZERO).as_secs_f64();
        let size = object.size;
        let wrong = if self.min_size.is_some_and(|min| size < min) {
            format!("{size} bytes, which is too small")
        } else if self.max_size.is_some_and(|max| size > max) {
            format!("{size} bytes, which is too large")
        } else if self.min_age.is_some_and(|min| age < min) {
            format!("{age:.0} seconds old, which is too young")
        } else if self.max_age.is_some_and(|max| age > max) {
            format!("{age:.0} seconds old, which is too old")
        } else {
            return None;
        };
        Some(format!("{} is {wrong}", object.key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_ages_are_inclusive() {
        let now = SystemTime::now();
        let object = ObjectMeta { key: "k".into(), size: 10, last_modified: now - Duration::from_secs(60), etag: None };
        let refuses = |check: Check| check.refuses(&object, now);
        assert_eq!(refuses(Check::default()), None);
        assert_eq!(refuses(Check { min_size: Some(10), max_size: Some(10), ..Check::default() }), None);
        assert_eq!(refuses(Check { min_age: Some(60.0), max_age: Some(60.0), ..Check::default() }), None);
        assert_eq!(
            refuses(Check { min_size: Some(11), ..Check::default() }).unwrap(),
            "k is 10 bytes, which is too small"
        );
        assert_eq!(
            refuses(Check { max_size: Some(9), ..Check::default() }).unwrap(),
            "k is 10 bytes, which is too large"
        );
        assert_eq!(
            refuses(Check { min_age: Some(61.0), ..Check::default() }).unwrap(),
            "k is 60 seconds old, which is too young"
        );
        assert_eq!(
            refuses(Check { max_age: Some(59.0), ..Check::default() }).unwrap(),
            "k is 60 seconds old, which is too old"
        );
        let future = ObjectMeta { last_modified: now + Duration::from_secs(5), ..object };
        assert_eq!(Check { max_age: Some(1.0), ..Check::default() }.refuses(&future, now), None);
    }
}
