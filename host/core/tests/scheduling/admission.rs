use std::collections::HashMap;
use std::sync::Arc;

use airlock_core::admit::{Offer, PoolUsage, Reason, Usage, admit};
use airlock_core::dag::{Dag, Task};
use airlock_core::id::TenantId;
use airlock_core::run::{Event, Instance, Plan, RunFacts, RunMachine};
use airlock_core::state::TaskState;
use serde_json::Value;
use uuid::Uuid;

use crate::cases::{Moment, dag, field, judge, task};

const ACME: TenantId = TenantId(1);
const BETA: TenantId = TenantId(2);

/// A machine whose instances stand like this.
fn machine(dag: &Dag, logical_date: Option<Moment>, states: impl Fn(&str) -> Option<TaskState>) -> RunMachine {
    // What is deferred waits for longer than the cases last.
    let instance = |(number, task): (usize, &Task)| Instance {
        id: Uuid::from_u128(number as u128),
        task_id: task.task_id.clone(),
        map_index: -1,
        state: states(&task.task_id),
        try_number: 0,
        max_tries: 0,
        first_started_at: None,
        wake_at: Some(Moment::MAX_UTC),
        reschedules: 0,
        resume_state: None,
        skips: Vec::new(),
        map_length: None,
    };
    let instances = dag.tasks.iter().enumerate().map(instance).collect();
    let facts = RunFacts { logical_date, started_at: None, ignores_past: false };
    let mut machine = RunMachine::new(Arc::new(Plan::new(Arc::new(dag.clone()))), facts, instances);
    machine.on_event(Event::Begin, "2026-01-01T00:00:00Z".parse().unwrap());
    machine
}

/// What these machines use, by the pools' own rules.
fn usage(runs: &[(TenantId, &RunMachine)], pools: &[(&str, i32, bool)]) -> Usage {
    let mut usage = Usage::default();
    for (tenant, machine) in runs {
        for (name, slots, _) in pools {
            usage.pools.entry((*tenant, (*name).to_owned())).or_insert(PoolUsage { slots: *slots, used: 0 });
        }
        let dag = machine.plan().dag();
        for (task_id, _, state) in machine.states() {
            let Some(state) = state else { continue };
            let task = dag.tasks.iter().find(|task| task.task_id == task_id).unwrap();
            let with_deferred = pools.iter().any(|(name, _, deferred)| *name == task.pool && *deferred);
            if (state.holds_slot() || (with_deferred && state == TaskState::Deferred))
                && let Some(pool) = usage.pools.get_mut(&(*tenant, task.pool.clone()))
            {
                pool.used += u64::from(task.pool_slots);
            }
            *usage.tenants.entry(*tenant).or_default() += u64::from(state.holds_slot());
            let key = (*tenant, dag.dag_id.clone(), task_id.to_owned());
            *usage.tasks.entry(key).or_default() += u64::from(state.counts_as_active());
        }
    }
    usage
}

fn planned(written: &Value) -> Task {
    Task {
        pool: written["pool"].as_str().unwrap_or("default_pool").to_owned(),
        pool_slots: written["pool_slots"].as_u64().unwrap_or(1) as u32,
        priority_weight: written["priority_weight"].as_i64().unwrap_or(1) as i32,
        max_active_tis_per_dag: field(written, "max_active_tis_per_dag"),
        max_active_tis_per_dagrun: field(written, "max_active_tis_per_dagrun"),
        ..task(written["id"].as_str().unwrap())
    }
}

/// The runs of a case: their names and machines. A task is ready unless the case says what state it is in.
fn runs_of(case: &Value) -> Vec<(String, RunMachine)> {
    let mut runs = Vec::new();
    for written in case["dags"].as_array().unwrap() {
        let tasks = written["tasks"].as_array().unwrap();
        let dag = Dag {
            dag_id: field(written, "id"),
            max_active_tasks: written["max_active_tasks"].as_u64().unwrap_or(16) as u32,
            ..dag(tasks.iter().map(planned).collect())
        };
        let only = vec![serde_json::json!({"id": "r1", "logical_date": "2024-01-01T00:00:00Z"})];
        for run in written["runs"].as_array().unwrap_or(&only) {
            let state = |task_id: &str| {
                let of_task = &tasks.iter().find(|task| task["id"] == task_id).unwrap()["state"];
                let text = run["states"][task_id].as_str().or(of_task.as_str()).unwrap_or("scheduled");
                Some(text.parse().unwrap())
            };
            let name = format!("{}/{}", dag.dag_id, run["id"].as_str().unwrap());
            runs.push((name, machine(&dag, field(run, "logical_date"), state)));
        }
    }
    runs
}

#[test]
fn conformance_of_admission() {
    judge(
        "states",
        "scheduler_selection",
        |_| true,
        |case| {
            let runs = runs_of(case);
            let machines: Vec<(TenantId, &RunMachine)> = runs.iter().map(|(_, machine)| (ACME, machine)).collect();
            let mut pools: Vec<(&str, i32, bool)> = case["pools"]
                .as_object()
                .unwrap()
                .iter()
                .map(|(name, pool)| (name.as_str(), field(pool, "slots"), pool["include_deferred"] == true))
                .collect();
            if !pools.iter().any(|(name, ..)| *name == "default_pool") {
                pools.push(("default_pool", 128, false));
            }
            let usage = usage(&machines, &pools);
            let busy = usage.tenants.get(&ACME).copied().unwrap_or(0) as usize;
            let parallelism = case["executor_parallelism"].as_u64().unwrap() as usize;
            let limit = (case["max_per_pass"].as_u64().unwrap() as usize).min(parallelism.saturating_sub(busy));
            let offers: Vec<Offer<'_>> = machines
                .iter()
                .map(|(tenant, machine)| Offer { tenant: *tenant, tenant_limit: None, machine })
                .collect();

            let admitted = admit(&offers, usage, limit).admitted;
            let found: Vec<String> =
                admitted.iter().map(|one| format!("{}/{}", runs[one.offer].0, one.task.task_id)).collect();
            let expected: Vec<String> = field(case, "expect_queued_in_order");
            // Where the case says so, more may be queued in one pass than Airflow does.
            let more_is_right = case["note"].as_str().is_some_and(|note| note.contains("acceptable"));
            let is_right = found == expected || (more_is_right && found.starts_with(&expected));
            if is_right { Ok(()) } else { Err(format!("found {found:?}, expected {expected:?}")) }
        },
    );
}

fn many(dag_id: &str, count: usize, change: impl Fn(&mut Task)) -> Dag {
    let task = |number: usize| {
        let mut task = task(&format!("t{number}"));
        change(&mut task);
        task
    };
    Dag { dag_id: dag_id.to_owned(), ..dag((0..count).map(task).collect()) }
}

#[test]
fn tenants_take_turns_and_the_less_busy_one_begins() {
    let (greedy, modest) = (many("greedy", 10, |task| task.priority_weight = 99), many("modest", 3, |_| {}));
    let (greedy, modest) = (machine(&greedy, None, |_| None), machine(&modest, None, |_| None));
    let runs = [(ACME, &greedy), (BETA, &modest)];
    let mut usage = usage(&runs, &[("default_pool", 128, false)]);
    usage.tenants.insert(ACME, 1);
    let offers = runs.map(|(tenant, machine)| Offer { tenant, tenant_limit: None, machine });

    let result = admit(&offers, usage, 6);
    let order: Vec<usize> = result.admitted.iter().map(|one| one.offer).collect();
    assert_eq!(order, [1, 0, 1, 0, 1, 0]);
    assert_eq!(result.refused.len(), 1);
    assert_eq!((result.refused[0].offer, &result.refused[0].reason), (0, &Reason::PassFull));
}

#[test]
fn what_is_refused_says_why() {
    let reasons = |dag: Dag, tenant_limit: Option<u32>, pools: &[(&str, i32, bool)]| -> (usize, Vec<String>) {
        let machine = machine(&dag, None, |_| None);
        let runs = [(ACME, &machine)];
        let offer = Offer { tenant: ACME, tenant_limit, machine: &machine };
        let result = admit(&[offer], usage(&runs, pools), 100);
        (result.admitted.len(), result.refused.iter().map(|one| one.reason.to_string()).collect())
    };
    let pool = [("default_pool", 2, false)];
    let wide = [("default_pool", -1, false)];
    assert_eq!(
        reasons(many("d", 1, |task| task.pool = "lake".to_owned()), None, &pool),
        (0, vec!["there is no pool `lake`".to_owned()])
    );
    assert_eq!(
        reasons(many("d", 1, |task| task.pool_slots = 3), None, &pool),
        (0, vec!["it needs 3 slots, and the pool `default_pool` has 2 in all".to_owned()])
    );
    let full = "it needs 1 slots, and the pool `default_pool` has 0 open".to_owned();
    assert_eq!(reasons(many("d", 4, |_| {}), None, &pool), (2, vec![full.clone(), full]));
    assert_eq!(
        reasons(Dag { max_active_tasks: 1, ..many("d", 3, |_| {}) }, None, &wide),
        (1, vec!["the run has 1 active tasks, its DAG's max_active_tasks".to_owned()])
    );
    assert_eq!(
        reasons(many("d", 3, |_| {}), Some(2), &wide),
        (2, vec!["the tenant has 2 active tasks, as many as its policy allows".to_owned()])
    );
}

#[test]
fn a_pass_costs_what_it_admits_and_not_what_waits() {
    let dag = many("d", 1, |task| task.max_active_tis_per_dagrun = Some(2));
    let instances = (0..50_000_u32).map(|index| Instance {
        id: Uuid::from_u128(u128::from(index)),
        task_id: "t0".to_owned(),
        map_index: index as i32,
        state: Some(TaskState::Scheduled),
        try_number: 0,
        max_tries: 0,
        first_started_at: None,
        wake_at: None,
        reschedules: 0,
        resume_state: None,
        skips: Vec::new(),
        map_length: None,
    });
    let facts = RunFacts { logical_date: None, started_at: None, ignores_past: false };
    let machine = RunMachine::new(Arc::new(Plan::new(Arc::new(dag))), facts, instances.collect());
    let pools = HashMap::from([((ACME, "default_pool".to_owned()), PoolUsage { slots: -1, used: 0 })]);
    let result = admit(
        &[Offer { tenant: ACME, tenant_limit: None, machine: &machine }],
        Usage { pools, ..Usage::default() },
        100_000,
    );
    assert_eq!(result.admitted.iter().map(|one| one.map_index).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(result.refused.len(), 1, "one word for all that wait");
}
