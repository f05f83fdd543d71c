use std::collections::HashMap;
use std::sync::Arc;

use airlock_core::admit::{PoolUsage, Usage};
use airlock_core::dag::{Dag, Task};
use airlock_core::id::TenantId;
use airlock_core::run::{Instance, Past, Plan, RunFacts, RunMachine};
use airlock_core::state::{RunState, TaskState, TriggerRule};
use airlock_core::why::{
    BackfillSituation, Holder, PastSituation, RunSituation, Situation, TriggerSituation, WorkerSituation,
    why_not_running,
};
use uuid::Uuid;

use crate::cases::{Moment, dag, task};

const TENANT: TenantId = TenantId(1);
const FACTS: RunFacts = RunFacts { logical_date: None, started_at: None, ignores_past: false };

fn now() -> Moment {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

/// `a` and `b` before `c`, in these states; what is asked about is `c`.
struct Case {
    dag: Dag,
    states: [Option<TaskState>; 3],
    run: RunSituation,
    past: Option<PastSituation>,
    trigger: Option<TriggerSituation>,
    usage: Usage,
    tenant_limit: Option<u32>,
    holders: Vec<Holder>,
    workers: Vec<WorkerSituation>,
    wake_in: i64,
}

impl Case {
    fn new(states: [Option<TaskState>; 3]) -> Self {
        let upstream = vec!["a".to_owned(), "b".to_owned()];
        let pools = [((TENANT, "default_pool".to_owned()), PoolUsage { slots: 128, used: 0 })];
        Self {
            dag: dag(vec![task("a"), task("b"), Task { upstream, ..task("c") }]),
            states,
            run: RunSituation {
                state: RunState::Running,
                is_paused: false,
                backfill: None,
                running_runs: 1,
                scheduler_lives: true,
                run_after: now(),
            },
            past: None,
            trigger: None,
            usage: Usage { pools: HashMap::from(pools), ..Usage::default() },
            tenant_limit: None,
            holders: Vec::new(),
            workers: vec![WorkerSituation { hostname: "worker-1".to_owned(), queues: vec!["default".to_owned()] }],
            wake_in: 0,
        }
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// The asked task.
    fn task(&mut self) -> &mut Task {
        &mut self.dag.tasks[2]
    }

    /// Names and sentences, one to a line.
    fn answer(self) -> String {
        let instance = |(number, state): (usize, &Option<TaskState>)| Instance {
            id: Uuid::from_u128(number as u128),
            task_id: ["a", "b", "c"][number].to_owned(),
            map_index: -1,
            state: *state,
            try_number: 1,
            max_tries: 0,
            first_started_at: None,
            wake_at: Some(now() + chrono::TimeDelta::seconds(self.wake_in)),
            reschedules: 0,
            resume_state: None,
            skips: Vec::new(),
            map_length: None,
        };
        let instances: Vec<Instance> = self.states.iter().enumerate().map(instance).collect();
        let machine = RunMachine::new(Arc::new(Plan::new(Arc::new(self.dag))), FACTS, instances.clone());
        let situation = Situation {
            run: &self.run,
            machine: &machine,
            instance: &instances[2],
            past: self.past.as_ref(),
            trigger: self.trigger.as_ref(),
            tenant: TENANT,
            tenant_limit: self.tenant_limit,
            usage: &self.usage,
            holders: &self.holders,
            workers: &self.workers,
            now: now(),
        };
        let unmet = why_not_running(&situation);
        unmet.into_iter().map(|unmet| format!("{}: {}", unmet.name, unmet.reason)).collect::<Vec<_>>().join("\n")
    }
}

const SUCCESS: Option<TaskState> = Some(TaskState::Success);
const FAILED: Option<TaskState> = Some(TaskState::Failed);
const RUNNING: Option<TaskState> = Some(TaskState::Running);
const SCHEDULED: Option<TaskState> = Some(TaskState::Scheduled);
const QUEUED: Option<TaskState> = Some(TaskState::Queued);

#[test]
fn what_waits_for_upstream_says_for_what() {
    assert_eq!(
        Case::new([SUCCESS, RUNNING, None]).answer(),
        "Trigger Rule: the trigger rule `all_success` wants all upstream tasks to have succeeded; `b` is running"
    );
    let rule = |rule| Case::new([FAILED, None, None]).with(|case| case.task().trigger_rule = rule).answer();
    assert_eq!(
        rule(TriggerRule::AllDone),
        "Trigger Rule: the trigger rule `all_done` wants all upstream tasks to be done; `b` has not been scheduled"
    );
    assert_eq!(
        rule(TriggerRule::OneSuccess),
        "Trigger Rule: the trigger rule `one_success` wants one upstream task to have succeeded; `b` has not been scheduled"
    );
    assert_eq!(rule(TriggerRule::OneFailed), "", "it is about to be decided on");
    assert_eq!(Case::new([SUCCESS, SUCCESS, None]).answer(), "");
}

#[test]
fn what_has_finished_says_so() {
    assert_eq!(Case::new([SUCCESS, SUCCESS, FAILED]).answer(), "Task Instance State: Task is in the 'failed' state.");
    assert_eq!(Case::new([SUCCESS, SUCCESS, RUNNING]).answer(), "");
}

#[test]
fn what_the_run_waits_for_comes_first() {
    let queued = |change: fn(&mut Case)| {
        Case::new([SUCCESS, SUCCESS, None])
            .with(|case| {
                case.run.state = RunState::Queued;
                case.run.running_runs = 0;
            })
            .with(change)
            .answer()
    };
    assert_eq!(queued(|_| {}), "Dagrun Running: the run is queued, and not yet started");
    assert_eq!(
        queued(|case| case.run.is_paused = true),
        "Dag Not Paused: the DAG `d` is paused, so that its runs stay queued"
    );
    assert_eq!(
        queued(|case| case.run.running_runs = 16),
        "Max Active Runs: the run is queued, and 16 runs of `d` are running: its max_active_runs is 16"
    );
    assert_eq!(
        queued(|case| {
            case.run.backfill = Some(BackfillSituation { is_paused: true, max_active_runs: 2 });
            case.run.running_runs = 2;
        }),
        "Backfill Not Paused: the backfill that the run belongs to is paused\n\
         Max Active Runs: the run is queued, and 2 runs of its backfill are running: its max_active_runs is 2"
    );
    assert_eq!(
        queued(|case| case.run.run_after += chrono::TimeDelta::hours(1)),
        "Execution Date: the run is due at 2026-01-01T01:00:00+00:00, in 3600 seconds"
    );
    assert_eq!(
        queued(|case| (case.run.is_paused, case.run.scheduler_lives) = (true, false)),
        "Dag Not Paused: the DAG `d` is paused, so that its runs stay queued\n\
         Scheduler: no scheduler has been heard of of late"
    );
    assert_eq!(
        queued(|case| case.run.state = RunState::Failed),
        "Dagrun Running: the run has ended in failed: queue or clear it to let it go on"
    );
}

#[test]
fn what_waits_for_a_moment_says_until_when() {
    let waiting =
        |state, wake_in| Case::new([SUCCESS, SUCCESS, Some(state)]).with(|case| case.wake_in = wake_in).answer();
    assert_eq!(
        waiting(TaskState::UpForRetry, 60),
        "Not In Retry Period: try 1 failed, and the next begins at 2026-01-01T00:01:00+00:00, in 60 seconds"
    );
    assert!(
        waiting(TaskState::UpForReschedule, 60).starts_with("Ready To Reschedule: the sensor has said \"not yet\"")
    );
    assert!(waiting(TaskState::Deferred, 60).starts_with("Trigger: the task is deferred, and goes on at"));
    let looked = TriggerSituation {
        what: "for an answer to GET /job".to_owned(),
        last_look: Some((now(), "worker-1".to_owned(), "status 404".to_owned())),
        next_look_at: Some(now() + chrono::TimeDelta::seconds(30)),
    };
    let deferred = |trigger: TriggerSituation| {
        Case::new([SUCCESS, SUCCESS, Some(TaskState::Deferred)])
            .with(|case| (case.wake_in, case.trigger) = (60, Some(trigger)))
            .answer()
    };
    assert_eq!(
        deferred(looked.clone()),
        "Trigger: the task is deferred, and waits for an answer to GET /job; `worker-1` looked last at \
         2026-01-01T00:00:00+00:00: status 404; the next look is at 2026-01-01T00:00:30+00:00; the wait ends at \
         2026-01-01T00:01:00+00:00"
    );
    assert_eq!(
        deferred(TriggerSituation { last_look: None, next_look_at: None, ..looked }),
        "Trigger: the task is deferred, and waits for an answer to GET /job; the wait ends at 2026-01-01T00:01:00+00:00"
    );
    assert_eq!(waiting(TaskState::UpForRetry, 0), "");
}

#[test]
fn every_limit_that_is_reached_is_named() {
    let full = Case::new([SUCCESS, SUCCESS, SCHEDULED]).with(|case| {
        case.dag.max_active_tasks = 0;
        case.task().max_active_tis_per_dag = Some(2);
        case.task().max_active_tis_per_dagrun = Some(0);
        case.tenant_limit = Some(3);
        case.usage.tenants.insert(TENANT, 3);
        case.usage.tasks.insert((TENANT, "d".to_owned(), "c".to_owned()), 2);
        case.usage.pools.insert((TENANT, "default_pool".to_owned()), PoolUsage { slots: 4, used: 4 });
        let holder = |number: u32| Holder {
            dag_id: "other".to_owned(),
            run_id: format!("r{number}"),
            task_id: "t".to_owned(),
            map_index: if number == 0 { -1 } else { 3 },
            pool_slots: 2,
        };
        case.holders = (0..2).map(holder).collect();
    });
    assert_eq!(
        full.answer(),
        "Tenant Share: the tenant has 3 active tasks, as many as its policy allows\n\
         Task Instance Slots Available: the run has 0 active tasks, its DAG's max_active_tasks\n\
         Pool Slots Available: it needs 1 slots, and the pool `default_pool` has 0 open; slots are held by \
         `other/r0/t (2)`, `other/r1/t[3] (2)`\n\
         Task Concurrency: the task has 2 active instances, its max_active_tis_per_dag\n\
         Task Concurrency: the task has 0 active instances in this run, its max_active_tis_per_dagrun"
    );
    let pool =
        |pool: &str| Case::new([SUCCESS, SUCCESS, SCHEDULED]).with(|case| case.task().pool = pool.to_owned()).answer();
    assert_eq!(pool("narrow"), "Pool Slots Available: there is no pool `narrow`");
    assert_eq!(pool("default_pool"), "");
}

#[test]
fn what_is_queued_says_which_workers_it_waits_for() {
    let queued = |queue: &str| Case::new([SUCCESS, SUCCESS, QUEUED]).with(|case| case.task().queue = queue.to_owned());
    assert_eq!(
        queued("default").answer(),
        "Worker: the task is queued on `default`, and waits for a free place at `worker-1`"
    );
    assert_eq!(
        queued("gpu").answer(),
        "Worker: no live worker takes from the queue `gpu`; live workers take from `default`"
    );
    assert_eq!(
        queued("gpu").with(|case| case.workers.clear()).answer(),
        "Worker: no live worker takes from the queue `gpu`; there is no live worker at all"
    );
}

#[test]
fn what_depends_on_the_past_names_the_run() {
    let past = |states: &[(&str, Option<TaskState>)], seen: bool| {
        let states = states.iter().map(|(id, state)| ((*id).to_owned(), *state)).collect();
        let seen = if seen { ["c".to_owned()].into() } else { Default::default() };
        let past = PastSituation { run_id: "yesterday".to_owned(), past: Past { previous: Some(states), seen } };
        Case::new([SUCCESS, SUCCESS, None])
            .with(|case| {
                case.task().depends_on_past = true;
                case.past = Some(past);
            })
            .answer()
    };
    assert_eq!(
        past(&[("a", FAILED), ("c", FAILED)], true),
        "Previous Dagrun State: it has depends_on_past, and of the run before, `yesterday`, `c` has failed"
    );
    assert_eq!(
        past(&[], true),
        "Previous Dagrun State: it has depends_on_past, and the run before, `yesterday`, has no instance of it"
    );
    assert_eq!(past(&[("c", SUCCESS)], true), "");
    assert_eq!(past(&[], false), "", "the first of its kind");
}
