//! Airflow's `S3KeySensor`, for every object store.

mod check;
mod pattern;

use std::time::SystemTime;

use airlock_sdk::object_store::{Bucket, Location, ObjectMeta};
use airlock_sdk::prelude::*;
use airlock_sdk::serde::Serialize;
use airlock_sdk::{KeyMatching, ObjectsTrigger};

use check::Check;
use pattern::Pattern;

/// What to wait for.
#[arguments]
#[derive(Serialize)]
struct S3KeySensor {
    /// The connection to the store; `aws_default` if neither this nor `aws_conn_id` is given.
    #[serde(default)]
    conn_id: Option<String>,
    /// Airflow's name for `conn_id`.
    #[serde(default)]
    aws_conn_id: Option<String>,
    /// The key, or keys, to wait for: `s3://bucket/key`, or a key in `bucket_name`. All have to be there.
    bucket_key: Keys,
    /// The bucket; by default that of the URL, or the connection's own.
    #[serde(default)]
    bucket_name: Option<String>,
    /// Whether keys are patterns with `*`, `?` and `[abc]`, of which one match has to be there.
    #[serde(default)]
    wildcard_match: bool,
    /// Whether keys are regular expressions, of which one match has to be there.
    #[serde(default)]
    use_regex: bool,
    /// What every object found has to fulfil.
    #[serde(default)]
    check: Check,
    /// Whether the host looks for the objects, so that this sensor is not called before they are there.
    #[serde(default)]
    deferrable: bool,
}

#[arguments]
#[derive(Serialize)]
#[serde(untagged)]
enum Keys {
    One(String),
    Many(Vec<String>),
}

/// How many keys at most are named in the result: an XCom is no place for the listing of a bucket.
const RESULT_KEYS: usize = 1000;

/// Waits for objects in an object store.
///
/// While they are not all there it asks to be called again, or with `deferrable` lets the host look, and holds neither a slot nor
/// memory. The keys that it found become the XCom `return_value`: a list, at most 1,000.
#[operator(
    name = "s3-key-sensor",
    kind = sensor,
    template_fields(conn_id, aws_conn_id, bucket_key, bucket_name),
    resume = look_again
)]
fn s3_key_sensor(arguments: S3KeySensor) -> Result<Outcome> {
    let keys = arguments.keys();
    if keys.is_empty() {
        return Err(Error::fail("`bucket_key` names no key to wait for"));
    }
    if arguments.wildcard_match && arguments.use_regex {
        return Err(Error::fail("`wildcard_match` and `use_regex` exclude each other: a key is one kind of pattern"));
    }
    let mut found = Vec::new();
    for key in keys {
        let location = arguments.location(key)?;
        let objects = arguments.find(&location)?;
        if objects.is_empty() {
            log::info!("{location} is not there yet");
            return if arguments.deferrable { arguments.wait_for(&location) } else { Ok(Outcome::reschedule()) };
        }
        if let Some(reason) = objects.iter().find_map(|object| arguments.check.refuses(object, SystemTime::now())) {
            log::info!("{reason}");
            return Ok(Outcome::reschedule());
        }
        log::info!("{location} is there");
        let here = objects.into_iter().map(|object| Location { key: object.key, ..location.clone() }.to_string());
        found.extend(here.take(RESULT_KEYS - found.len()));
    }
    Ok(Outcome::Success(Some(found.into())))
}

/// The host has seen the object that was missing; others may be missing still, or this one not be as it has to be.
fn look_again(arguments: S3KeySensor, event: Event) -> Result<Outcome> {
    match event {
        Event::Fired(_) => s3_key_sensor(arguments),
        Event::TimedOut => Ok(Outcome::reschedule()),
        Event::Failed(reason) => Err(Error::fail(reason)),
    }
}

impl S3KeySensor {
    fn wait_for(&self, location: &Location) -> Result<Outcome> {
        let trigger = ObjectsTrigger {
            bucket: location.bucket.clone(),
            ..ObjectsTrigger::key(self.conn_id(), &location.key).matching(match (self.wildcard_match, self.use_regex) {
                (false, false) => KeyMatching::Exact,
                (true, _) => KeyMatching::Wildcard,
                (_, true) => KeyMatching::Regex,
            })
        };
        Outcome::defer(trigger, self)
    }

    fn keys(&self) -> &[String] {
        match &self.bucket_key {
            Keys::One(key) => std::slice::from_ref(key),
            Keys::Many(keys) => keys,
        }
    }

    fn conn_id(&self) -> &str {
        self.conn_id.as_deref().or(self.aws_conn_id.as_deref()).unwrap_or("aws_default")
    }

    fn location(&self, key: &str) -> Result<Location> {
        let mut location: Location = key.parse().map_err(Error::fail)?;
        if let Some(bucket) = &self.bucket_name {
            if location.bucket.is_some() {
                return Err(Error::fail(format!(
                    "`{key}` names a bucket, so there must be no `bucket_name` beside it"
                )));
            }
            location.bucket = Some(bucket.clone());
        }
        Ok(location)
    }

    fn find(&self, location: &Location) -> Result<Vec<ObjectMeta>> {
        let bucket = Bucket::open(self.conn_id(), location.bucket.as_deref())?;
        let pattern = match (self.wildcard_match, self.use_regex) {
            (false, false) => return Ok(bucket.head(&location.key)?.into_iter().collect()),
            (true, _) => Pattern::wildcard(&location.key)?,
            (_, true) => Pattern::regex(&location.key)?,
        };
        let objects = bucket.list(pattern.prefix());
        Ok(objects
            .filter(|object| object.as_ref().map_or(true, |object| pattern.matches(&object.key)))
            .collect::<Result<_, _>>()?)
    }
}

#[cfg(test)]
mod tests;
