//! Fairness among tenants.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicI64, Ordering};

use airlock_core::id::TenantId;

/// What a tenant has running, and what it has waiting for a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backlog {
    pub tenant: TenantId,
    pub running: u64,
    pub queued: u64,
}

/// Whose turn it is, where tenants are equally busy. Each process has its own: that it goes round is enough for nobody to starve.
#[derive(Debug, Default)]
pub struct Turns {
    /// The tenant that got the last place.
    last: AtomicI64,
}

impl Turns {
    /// How many of `limit` places each tenant gets: one at a time, to the tenant that would then have the fewest running, and of
    /// several such to the one whose turn it is. Priorities are not compared across tenants, because each tenant sets its own.
    /// Tenants that get none are left out, and who gets least comes first: what is claimed is begun in this order.
    pub fn share(&self, backlogs: &[Backlog], limit: u32) -> Vec<(TenantId, u32)> {
        let last = self.last.load(Ordering::Relaxed);
        // Those after the last one come first, then from the beginning.
        let turn = |tenant: TenantId| (tenant.0 <= last, tenant.0);
        let mut shares: Vec<(TenantId, u32)> = backlogs.iter().map(|backlog| (backlog.tenant, 0)).collect();
        let mut next: BinaryHeap<Reverse<(u64, (bool, i64), usize)>> = backlogs
            .iter()
            .enumerate()
            .filter(|(_, backlog)| backlog.queued > 0)
            .map(|(index, backlog)| Reverse((backlog.running, turn(backlog.tenant), index)))
            .collect();
        for _ in 0..limit {
            let Some(Reverse((running, turn, index))) = next.pop() else { break };
            self.last.store(shares[index].0.0, Ordering::Relaxed);
            shares[index].1 += 1;
            if u64::from(shares[index].1) < backlogs[index].queued {
                next.push(Reverse((running + 1, turn, index)));
            }
        }
        shares.retain(|(_, share)| *share > 0);
        shares.sort_by_key(|(_, share)| *share);
        shares
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backlog(tenant: i64, running: u64, queued: u64) -> Backlog {
        Backlog { tenant: TenantId(tenant), running, queued }
    }

    #[test]
    fn the_busiest_tenant_waits() {
        let shares = Turns::default().share(&[backlog(1, 5, 100), backlog(2, 0, 3), backlog(3, 0, 100)], 10);
        assert_eq!(shares, [(TenantId(1), 1), (TenantId(2), 3), (TenantId(3), 6)]);
    }

    #[test]
    fn a_lone_tenant_gets_everything_and_never_more_than_it_has() {
        assert_eq!(Turns::default().share(&[backlog(1, 9, 4)], 10), [(TenantId(1), 4)]);
        assert_eq!(Turns::default().share(&[backlog(1, 9, 40)], 10), [(TenantId(1), 10)]);
        assert!(Turns::default().share(&[backlog(1, 9, 0)], 10).is_empty());
    }

    #[test]
    fn equally_busy_tenants_take_turns() {
        let (turns, backlogs) = (Turns::default(), [backlog(1, 0, 100), backlog(2, 0, 1), backlog(7, 0, 100)]);
        let first: Vec<i64> = (0..4).map(|_| turns.share(&backlogs, 1)[0].0.0).collect();
        assert_eq!(first, [1, 2, 7, 1]);
    }
}
