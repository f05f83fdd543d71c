//! How long a failed try waits for the next one.

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};

use crate::dag::Task;

/// No backoff waits longer, as in Airflow.
const LONGEST_SECONDS: u64 = 86_400;

/// The time from the end of try `try_number` to the next one: `named` by the try itself, as by Airflow's retry policies, or by the
/// task. Exponential backoff adds a jitter that depends on nothing but the arguments, so that tasks that failed together do not come
/// back together, and asking again changes nothing.
pub fn retry_delay(
    task: &Task,
    dag_id: &str,
    logical_date: Option<DateTime<Utc>>,
    try_number: u32,
    named: Option<TimeDelta>,
) -> TimeDelta {
    if let Some(named) = named {
        return named;
    }
    let factor = task.retry_exponential_backoff;
    if factor <= 0.0 || factor == 1.0 {
        return task.retry_delay.as_time_delta();
    }
    let base = backoff_seconds(task.retry_delay.0, factor, try_number.saturating_sub(1));
    let moment = logical_date.map(|date| date.to_rfc3339()).unwrap_or_default();
    let seed = format!("{dag_id}#{}#{moment}#{try_number}", task.task_id);
    let delay = jittered_seconds(base, &seed);
    // As in Airflow, a longest delay of nothing sets no limit.
    match task.max_retry_delay.filter(|longest| longest.0 > 0.0) {
        Some(longest) => delay.min(longest.as_time_delta()),
        None => delay,
    }
}

/// The time to a sensor's next call. Where it grows it begins with half of `poke_interval` and is doubled at each call, with jitter,
/// up to `max_wait` and to what is left of the sensor's `patience`.
pub fn poke_delay(
    task: &Task,
    dag_id: &str,
    logical_date: Option<DateTime<Utc>>,
    calls: u32,
    patience: TimeDelta,
) -> TimeDelta {
    let interval = task.sensor.poke_interval.as_time_delta();
    if !task.sensor.exponential_backoff {
        return interval;
    }
    let base = backoff_seconds(task.sensor.poke_interval.0 / 2.0, 2.0, calls);
    let moment = logical_date.map(|date| date.to_rfc3339()).unwrap_or_default();
    let delay = jittered_seconds(base, &format!("{dag_id}#{}#{moment}#poke{calls}", task.task_id)).min(patience);
    match task.sensor.max_wait {
        Some(longest) => delay.min(longest.as_time_delta()),
        None => delay,
    }
}

/// When a sensor that found nothing at `now` looks again, be it in its place or after giving it up; none if its timeout is over, which
/// counts from `since`, the first look of the try. `asked` is the moment that it named itself.
pub fn next_look(
    task: &Task,
    dag_id: &str,
    logical_date: Option<DateTime<Utc>>,
    looks: u32,
    since: DateTime<Utc>,
    asked: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let (waited, timeout) = (now - since, task.sensor.timeout.as_time_delta());
    let patience = timeout - TimeDelta::seconds(waited.num_seconds());
    let next = || now + poke_delay(task, dag_id, logical_date, looks, patience);
    (waited <= timeout).then(|| asked.unwrap_or_else(next))
}

/// `delay * factor^exponent` in whole seconds, rounded up, from 1 to the longest; too large a power is the longest, even of no delay.
fn backoff_seconds(delay: f64, factor: f64, exponent: u32) -> u64 {
    // Not by repeated multiplication: the last bit of `1.1^2` decides whether 100 seconds become 121 or 122.
    let power = factor.powf(f64::from(exponent));
    if power.is_infinite() {
        return LONGEST_SECONDS;
    }
    // The cast from a float saturates.
    ((delay * power).ceil() as u64).clamp(1, LONGEST_SECONDS)
}

fn jittered_seconds(base: u64, seed: &str) -> TimeDelta {
    let digest = Sha256::digest(seed.as_bytes());
    let random = digest.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let seconds = (base + random % base).min(LONGEST_SECONDS);
    TimeDelta::seconds(seconds as i64)
}
