//! Runs that this scheduler has taken, and has not begun to drive.

use std::collections::BTreeMap;

use airlock_core::id::{RunKey, TenantId};
use airlock_store::driving::LoadedRun;

/// They leave one at a time, each tenant's first before anybody's second: what a run begins with is written in one piece, and a
/// tenant with one run does not wait for all of another's.
#[derive(Debug)]
pub(crate) struct Arrivals<R = LoadedRun> {
    runs: BTreeMap<RunKey, R>,
    /// The tenant that had its turn last.
    last: TenantId,
}

impl<R> Default for Arrivals<R> {
    fn default() -> Self {
        Self { runs: BTreeMap::new(), last: TenantId(i64::MIN) }
    }
}

impl<R> Arrivals<R> {
    pub(crate) fn add(&mut self, key: RunKey, run: R) {
        self.runs.insert(key, run);
    }

    pub(crate) fn remove(&mut self, key: RunKey) {
        self.runs.remove(&key);
    }

    pub(crate) fn contains(&self, key: RunKey) -> bool {
        self.runs.contains_key(&key)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// The next tenant's oldest run.
    pub(crate) fn next(&mut self) -> Option<R> {
        let others = RunKey { tenant: TenantId(self.last.0.saturating_add(1)), id: i64::MIN };
        let key = *self.runs.range(others..).chain(&self.runs).next()?.0;
        self.last = key.tenant;
        self.runs.remove(&key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenants_take_turns_and_runs_leave_by_age() {
        let mut arrivals = Arrivals::default();
        let key = |tenant, id| RunKey { tenant: TenantId(tenant), id };
        for (tenant, id) in [(1, 11), (1, 12), (1, 10), (2, 20), (3, 31), (3, 30)] {
            arrivals.add(key(tenant, id), id);
        }
        arrivals.remove(key(1, 11));
        assert!(arrivals.contains(key(1, 12)) && !arrivals.contains(key(1, 11)));
        let first: Vec<i64> = (0..2).filter_map(|_| arrivals.next()).collect();
        // Who comes late has its turn as soon as anybody.
        arrivals.add(key(2, 21), 21);
        let rest: Vec<i64> = std::iter::from_fn(|| arrivals.next()).collect();
        assert_eq!((first, rest), (vec![10, 20], vec![30, 12, 21, 31]));
        assert!(arrivals.is_empty());
    }
}
