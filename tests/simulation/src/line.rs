//! The line between a process and its database: the place where everything goes wrong.
//!
//! A process has effects only through the store. So a process is killed by letting none of its questions pass any more, and stopped by
//! letting them wait; the network fails by answering "unavailable", before the question has arrived or after it was answered.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use airlock_store::clock::Clock;
use airlock_store::driving::{Admission, Batch, Committed, Usage};
use airlock_store::queue::{ClaimedTry, TryReport};
use airlock_store::{Store, StoreError, StoreResult};
use chrono::{DateTime, TimeDelta, Utc};
use tokio::task::coop::unconstrained;
use tokio::time::Instant;
use uuid::Uuid;

use crate::world::{Sabotage, World};

/// How a question may be lost.
const LOST_AFTER: Duration = Duration::from_millis(700);

#[derive(Debug, Default)]
struct Condition {
    is_dead: bool,
    stopped_until: Option<Instant>,
    cut_until: Option<Instant>,
    skew: TimeDelta,
}

/// One process's line, and with it its life.
pub struct Line {
    pub name: String,
    pub world: Arc<World>,
    condition: Mutex<Condition>,
}

impl Line {
    pub fn new(name: String, world: Arc<World>) -> Self {
        Self { name, world, condition: Mutex::default() }
    }

    fn condition(&self) -> MutexGuard<'_, Condition> {
        self.condition.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing of this process happens any more.
    pub fn kill(&self) {
        self.condition().is_dead = true;
    }

    pub fn is_dead(&self) -> bool {
        self.condition().is_dead
    }

    /// As by SIGSTOP, and SIGCONT later.
    pub fn stop_for(&self, pause: Duration) {
        self.condition().stopped_until = Some(Instant::now() + pause);
    }

    /// The database cannot be reached.
    pub fn cut_for(&self, pause: Duration) {
        self.condition().cut_until = Some(Instant::now() + pause);
    }

    /// The machine's clock jumps to so much before or after the true time.
    pub fn set_skew(&self, skew: TimeDelta) {
        self.condition().skew = skew;
    }

    pub fn heal(&self) {
        let mut condition = self.condition();
        (condition.stopped_until, condition.cut_until, condition.skew) = (None, None, TimeDelta::zero());
    }

    /// The time as this process sees it.
    pub fn clock(self: &Arc<Self>) -> Clock {
        let line = self.clone();
        Arc::new(move || line.world.now() + line.condition().skew)
    }

    /// Waits for as long as the process is stopped; for ever if it is dead.
    pub async fn pass(&self) {
        loop {
            let (is_dead, until) = {
                let condition = self.condition();
                (condition.is_dead, condition.stopped_until)
            };
            match until {
                _ if is_dead => std::future::pending().await,
                Some(until) if until > Instant::now() => tokio::time::sleep_until(until).await,
                _ => return,
            }
        }
    }

    fn is_cut(&self) -> bool {
        self.condition().cut_until.is_some_and(|until| until > Instant::now())
    }

    /// The way there or back. Most questions take no time that anybody would notice.
    async fn way(&self, question: &'static str) -> StoreResult<()> {
        let latency = self.world.dice(|dice| if dice.u8(..4) == 0 { dice.u64(1..40) } else { 0 });
        if latency > 0 {
            tokio::time::sleep(Duration::from_millis(latency)).await;
        }
        self.pass().await;
        if !self.is_cut() {
            return Ok(());
        }
        self.world.note(|| format!("{} {question}: no connection", self.name));
        tokio::time::sleep(LOST_AFTER).await;
        self.pass().await;
        Err(StoreError::Unavailable("the network is down".into()))
    }
}

/// A process's store.
pub struct Link(pub Arc<Line>);

impl Link {
    pub fn store(&self) -> &dyn Store {
        &*self.0.world.store
    }

    fn world(&self) -> &World {
        &self.0.world
    }

    /// Asks, with all that can happen on the way. The answer itself takes no time at all, and nothing else happens meanwhile.
    pub async fn ask<T>(&self, question: &'static str, asked: impl Future<Output = StoreResult<T>>) -> StoreResult<T> {
        self.0.way(question).await?;
        let answer = at_once(asked);
        self.0.way(question).await?;
        answer
    }

    pub fn never_loses(&self) -> bool {
        self.world().sabotage == Some(Sabotage::NeverLose)
    }

    pub async fn commit_and_watch(
        &self,
        batch: &Batch,
        admit: &(dyn for<'a> Fn(&'a Usage) -> Vec<Admission> + Send + Sync),
    ) -> StoreResult<Committed> {
        let overbook = self.world().sabotage == Some(Sabotage::Overbook);
        let admit = |usage: &Usage| {
            let mut usage = usage.clone();
            if overbook {
                usage.pools.iter_mut().for_each(|(_, _, used)| *used = 0);
            }
            admit(&usage)
        };
        self.0.way("commit").await?;
        let answer = at_once(self.store().commit(batch, &admit));
        if let Ok(committed) = &answer {
            self.world().watch_commit(&self.0.name, batch, committed);
        }
        self.0.way("commit").await?;
        answer
    }

    pub async fn claim_and_watch(
        &self,
        claim: impl Future<Output = StoreResult<Vec<ClaimedTry>>>,
        until: DateTime<Utc>,
    ) -> StoreResult<Vec<ClaimedTry>> {
        self.0.way("claim_tries").await?;
        let mut answer = at_once(claim);
        if let Ok(claimed) = &mut answer {
            if self.world().sabotage == Some(Sabotage::ClaimTwice) {
                claimed.extend(self.world().claimed_before());
            }
            self.world().watch_claim(&self.0.name, claimed, until);
        }
        self.0.way("claim_tries").await?;
        answer
    }

    pub async fn hand_back_and_watch(&self, worker: Uuid, known: &[Uuid]) -> StoreResult<u64> {
        self.0.way("hand_back_tries").await?;
        let answer = at_once(self.store().hand_back_tries(worker, known));
        if answer.is_ok() {
            self.world().watch_hand_back(&self.0.name, known);
        }
        self.0.way("hand_back_tries").await?;
        answer
    }

    pub async fn report_and_watch(&self, reports: &[TryReport]) -> StoreResult<Vec<Uuid>> {
        self.0.way("report_tries").await?;
        let answer = at_once(self.store().report_tries(reports));
        if let Ok(stale) = &answer {
            self.world().watch_reports(&self.0.name, reports, stale);
        }
        self.0.way("report_tries").await?;
        answer
    }
}

/// Waits for the database's thread without letting anything else happen: the simulated clock stands, and the order of events is that of
/// the questions, whatever the real machine is doing.
pub fn at_once<T>(answer: impl Future<Output = T>) -> T {
    futures::executor::block_on(unconstrained(pin!(answer)))
}
