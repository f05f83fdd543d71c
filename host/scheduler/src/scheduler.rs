//! The loop.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use airlock_core::id::{RunKey, TenantId};
use airlock_core::run::Event;
use airlock_store::clock::Clock;
use airlock_store::driving::Work;
use airlock_store::patience::within;
use airlock_store::wake::Wake;
use airlock_store::{Store, StoreError, StoreResult};
use airlock_telemetry::Pulse;
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::contact::Contact;
use crate::held::Held;
use crate::metrics::Metrics;
use crate::options::SchedulerOptions;
use crate::round::Round;

/// One scheduler. Any number may work on one database.
pub struct Scheduler {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) wake: Wake,
    clock: Clock,
    pub(crate) options: SchedulerOptions,
    /// Names this scheduler as the owner of runs; random, so that no later process is taken for it.
    pub(crate) id: Uuid,
    pub(crate) started_at: DateTime<Utc>,
    pub(crate) held: Held,
    pub(crate) metrics: Metrics,
    pulse: Pulse,
    /// How often a machine took no notice of a report, by lease token, or of the end of a wait, by instance.
    pub(crate) unclaimed_reports: HashMap<Uuid, u8>,
    /// DAGs of which runs have changed in the round before, while others wait for their past.
    pub(crate) moved_dags: BTreeSet<(TenantId, String)>,
    /// Runs that are to be loaded again.
    pub(crate) reload: BTreeSet<RunKey>,
    /// Whether the database may know runs as ours that are not in memory.
    forgetful: bool,
    /// When the next run of any DAG is due.
    pub(crate) next_due: Option<DateTime<Utc>>,
    next_pass: DateTime<Utc>,
    pub(crate) next_renewal: DateTime<Utc>,
    pub(crate) next_heartbeat: DateTime<Utc>,
    pub(crate) next_housekeeping: DateTime<Utc>,
    pub(crate) contact: Contact,
}

/// Why a round begins.
#[derive(Clone, Copy, Debug, Default)]
struct Cause {
    /// DAGs or runs may have changed, or waits of tasks may have ended.
    runs: bool,
    /// Reports may have come.
    reports: bool,
}

pub(crate) fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

impl Scheduler {
    pub fn new(store: Arc<dyn Store>, wake: Wake, clock: Clock, options: SchedulerOptions) -> Self {
        let now = clock().trunc_subsecs(6);
        Self {
            store,
            wake,
            clock,
            options,
            id: Uuid::new_v4(),
            started_at: now,
            held: Held::default(),
            metrics: Metrics::default(),
            pulse: Pulse::new("scheduler"),
            unclaimed_reports: HashMap::new(),
            moved_dags: BTreeSet::new(),
            reload: BTreeSet::new(),
            forgetful: false,
            next_due: None,
            next_pass: now,
            next_renewal: now,
            next_heartbeat: now,
            next_housekeeping: now,
            contact: Contact::new(now),
        }
    }

    /// Instants are kept in microseconds by every database: the same in memory, so that both agree.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        (self.clock)().trunc_subsecs(6)
    }

    /// Turns with every round, and succeeds with those that the database let pass.
    pub fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }

    /// Works until `shutdown`, then gives its runs back so that others can go on with them at once. An error of the database ends
    /// a round, never the scheduler.
    pub async fn run(mut self, shutdown: CancellationToken) {
        tracing::info!(scheduler.id = %self.id, "scheduler {} begins", self.id);
        let mut cause = Cause { runs: true, reports: true };
        while !shutdown.is_cancelled() {
            let began = Instant::now();
            let round = within(self.options.patience, self.round(cause)).await;
            self.metrics.loop_duration.record(began.elapsed().as_secs_f64());
            self.metrics.runs_held.set(self.held.runs.len() as f64);
            match &round {
                Ok(_) => self.pulse.succeeded(),
                Err(_) => self.pulse.failed(),
            }
            match round {
                Ok(true) => {
                    cause = Cause { runs: true, reports: true };
                    // A scheduler that always finds more must still let others of its runtime go on.
                    tokio::task::yield_now().await;
                }
                Ok(false) => cause = self.pulse.rest(self.sleep(&shutdown)).await,
                Err(error) => {
                    self.start_over(&error);
                    cause = Cause { runs: true, reports: true };
                    let pause = self.options.pass_interval;
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        () = shutdown.cancelled() => {}
                    }
                }
            }
        }
        self.stop().await;
    }

    /// What is in memory may differ from what was written: it is forgotten, and the runs are given back to be taken anew.
    fn start_over(&mut self, error: &StoreError) {
        tracing::error!(scheduler.id = %self.id, "a round failed, and its runs are to be loaded again: {error}");
        self.metrics.round_errors.increment(1);
        self.held = Held::default();
        self.reload.clear();
        self.forgetful = true;
        self.contact.broke_off(self.now() + delta(self.options.run_lease));
    }

    /// Sleeps until there is something to do.
    async fn sleep(&self, shutdown: &CancellationToken) -> Cause {
        let timed = [self.held.next_timer(), self.next_due].into_iter().flatten();
        let until = timed.chain([self.next_pass, self.next_renewal]).min().unwrap_or(self.next_pass);
        let pause = (until - self.now()).to_std().unwrap_or(Duration::ZERO);
        let first = tokio::select! {
            biased;
            () = shutdown.cancelled() => Cause::default(),
            () = self.wake.reports().raised() => Cause { reports: true, ..Cause::default() },
            () = self.wake.runs().raised() => Cause { runs: true, ..Cause::default() },
            () = tokio::time::sleep(pause) => Cause::default(),
        };
        // Where reports keep coming, each wake-up would find one of them, and runs would wait for a timed pass.
        Cause { runs: first.runs || self.wake.runs().take(), reports: first.reports || self.wake.reports().take() }
    }

    /// One round; answers whether another is to follow at once.
    async fn round(&mut self, cause: Cause) -> StoreResult<bool> {
        let now = self.now();
        if self.contact.clock_has_jumped(now, delta(self.options.run_lease)) {
            tracing::warn!(scheduler.id = %self.id, "the clock has jumped; it is {now} now");
            (self.next_pass, self.next_renewal, self.next_heartbeat, self.next_housekeeping) = (now, now, now, now);
        }
        let timed = now >= self.next_pass;
        if timed {
            self.next_pass = now + delta(self.options.pass_interval);
        }
        if self.forgetful {
            self.store.release_runs(self.id).await?;
            self.forgetful = false;
        }
        self.keep_leases(now).await?;
        self.keep_house(now).await?;

        let mut round = Round::default();
        self.load_again(now, &mut round).await?;
        let is_due = self.next_due.is_some_and(|due| due <= now);
        let looks = timed || cause.runs || is_due;
        let work = if looks { self.look(now, &mut round).await? } else { Work::default() };
        self.adopt_runs(now, &mut round);
        if timed || cause.reports {
            self.take_reports(now, &mut round).await?;
        }
        if work.ended_triggers {
            self.take_ended_triggers(now, &mut round).await?;
        }
        if timed {
            if self.contact.allows_judging(now) {
                self.expire_tries(now, &mut round).await?;
                self.expire_callbacks(now).await?;
            }
            self.miss_deadlines(now, &mut round).await?;
        }
        while !round.is_full(self.options.changes)
            && let Some(key) = self.held.next_due(now)
        {
            self.held.tell(key, Event::Tick, now, &mut round);
        }
        self.ask_past(now, timed, &mut round).await?;
        let more = self.commit(now, timed || cause.runs, round).await?;
        if timed {
            self.rest_runs(now).await?;
        }
        Ok(more)
    }

    /// Looks for what is found by asking, and opens and takes the runs that there are.
    async fn look(&mut self, now: DateTime<Utc>, round: &mut Round) -> StoreResult<Work> {
        let work = self.metrics.work.timed(self.store.work(now)).await?;
        self.next_due = work.next_due;
        if work.due_dags {
            self.open_runs(now, round).await?;
        }
        if work.backfills {
            self.open_backfills(now, round).await?;
        }
        if work.asset_turns {
            self.open_asset_runs(now, round).await?;
        }
        let may_have_opened = round.more;
        if work.runs || may_have_opened {
            self.take_runs(now, round).await?;
        }
        Ok(work)
    }

    async fn stop(&mut self) {
        let given_back = self.store.release_runs(self.id).await;
        if let Err(error) = given_back {
            tracing::warn!(scheduler.id = %self.id, "runs stay leased until their leases end: {error}");
        }
        self.say_goodbye().await;
        tracing::info!(scheduler.id = %self.id, "scheduler {} has stopped", self.id);
    }
}
