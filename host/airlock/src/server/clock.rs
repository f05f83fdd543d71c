//! The time by the database's clock.
//!
//! Leases are moments that one process writes and another compares with its own time: machines whose clocks differ by more than a
//! lease would take each other's work away. So all processes on one database go by its clock. Each asks for it from time to time, and
//! carries it on by its machine's steady clock, which does not jump when somebody sets the time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use airlock_store::StoreResult;
use airlock_store::clock::Clock;
use airlock_store::patience::within;
use airlock_store_postgres::PostgresStore;
use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;

/// Between two looks at the database's clock. The steady clocks of two machines drift apart by less than a millisecond meanwhile.
const EVERY: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(5);

/// A moment by the steady clock, and what time it was then.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    moment: Instant,
    time: DateTime<Utc>,
}

impl Anchor {
    fn time_at(&self, moment: Instant) -> DateTime<Utc> {
        let after = TimeDelta::from_std(moment.saturating_duration_since(self.moment)).unwrap_or(TimeDelta::MAX);
        let before = TimeDelta::from_std(self.moment.saturating_duration_since(moment)).unwrap_or(TimeDelta::MAX);
        self.time + after - before
    }

    /// The anchor that holds after a look at the database's clock, which answered some time between `asked` and `answered`.
    fn corrected(self, asked: Instant, answered: Instant, time: DateTime<Utc>) -> Self {
        let uncertainty = (answered - asked) / 2;
        let seen = Self { moment: asked + uncertainty, time };
        let off = time - self.time_at(seen.moment);
        // What lies within the uncertainty of the look is no news.
        if off.abs().to_std().unwrap_or_default() > uncertainty { seen } else { self }
    }
}

/// Asks for the time, and answers the clock that goes by it, with what keeps it right for as long as it is polled.
///
/// # Errors
/// If the database does not answer.
pub async fn of_database(store: Arc<PostgresStore>) -> StoreResult<(Clock, impl Future<Output = ()>)> {
    let asked = Instant::now();
    let time = store.time().await?;
    let first = Anchor { moment: asked + asked.elapsed() / 2, time };
    let anchor = Arc::new(Mutex::new(first));
    let read = {
        let anchor = anchor.clone();
        move || *anchor.lock().unwrap_or_else(PoisonError::into_inner)
    };
    let clock: Clock = {
        let read = read.clone();
        Arc::new(move || read().time_at(Instant::now()))
    };
    let keep_right = async move {
        loop {
            tokio::time::sleep(EVERY).await;
            let asked = Instant::now();
            // While the database is away, the steady clock goes on.
            let Ok(time) = within(PATIENCE, store.time()).await else { continue };
            let corrected = read().corrected(asked, Instant::now(), time);
            *anchor.lock().unwrap_or_else(PoisonError::into_inner) = corrected;
        }
    };
    Ok((clock, keep_right))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_databases_time_is_carried_on_and_corrected_when_it_is_surely_another() {
        let (start, ms) = (Instant::now(), Duration::from_millis);
        let time: DateTime<Utc> = "2026-01-01T00:00:00Z".parse().unwrap();
        let anchor = Anchor { moment: start, time };
        assert_eq!(anchor.time_at(start + ms(1_500)), time + TimeDelta::milliseconds(1_500));
        assert_eq!(anchor.time_at(start - ms(500)), time - TimeDelta::milliseconds(500));

        // Asked at 1.0 s, answered at 1.2 s: the answer is of 1.1 s, give or take 0.1.
        let look = |off: i64| {
            let answer = time + TimeDelta::milliseconds(1_100 + off);
            anchor.corrected(start + ms(1_000), start + ms(1_200), answer).time_at(start + ms(2_000))
        };
        let right = time + TimeDelta::milliseconds(2_000);
        assert_eq!([look(0), look(90), look(-90)], [right; 3]);
        assert_eq!(look(150), right + TimeDelta::milliseconds(150));
        assert_eq!(look(-3_600_000), right - TimeDelta::hours(1));
    }
}
