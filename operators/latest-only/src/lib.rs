//! Airflow's `LatestOnlyOperator`.

use std::time::SystemTime;

use airlock_sdk::prelude::*;

/// There is nothing to say.
#[arguments]
struct LatestOnly {}

/// Skips what follows unless the run is the newest of its schedule.
#[operator(name = "latest-only", kind = branch)]
fn latest_only(_: LatestOnly) -> Result<Outcome> {
    let Some(next) = context().next_run_after else {
        log::info!("no run follows this one by its schedule: going on");
        return Ok(Outcome::Success(None));
    };
    if SystemTime::now() <= next {
        log::info!("this is the newest run: going on");
        return Ok(Outcome::Success(None));
    }
    log::info!("the run after this one is due already: skipping what follows");
    Ok(Outcome::Branch(Vec::new()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use airlock_sdk::testing::Host;

    use super::*;

    fn run(next_run_after: Option<SystemTime>) -> Result<Outcome> {
        let host = Host::new().with_context(|context| context.next_run_after = next_run_after);
        host.execute::<Operator>(json!({}))
    }

    #[test]
    fn goes_on_in_the_newest_run() {
        assert_eq!(run(Some(SystemTime::now() + Duration::from_secs(60))), Ok(Outcome::Success(None)));
        assert_eq!(run(None), Ok(Outcome::Success(None)));
    }

    #[test]
    fn skips_in_all_others() {
        assert_eq!(run(Some(SystemTime::now() - Duration::from_secs(60))), Ok(Outcome::Branch(Vec::new())));
    }
}
