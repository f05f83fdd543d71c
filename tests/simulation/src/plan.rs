//! What there is to do: tenants, pools and DAGs, drawn from the seed.

use std::collections::HashMap;

use airlock_core::dag::{Dag, OperatorKind, Schedule, Seconds, Task};
use airlock_core::id::TenantId;
use airlock_core::state::{TaskState, TriggerRule};
use airlock_store::conformance::fixture::{dag, put_dag, task, tenant};
use airlock_store::instances::InstanceFilter;
use airlock_store::settings::PoolRow;
use airlock_store::{Page, Store};

use uuid::Uuid;

use crate::line::at_once;

const NARROW: &str = "narrow";

/// What a task of a plan does when it is called, beyond succeeding and failing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Habit {
    Works,
    /// Asks to be asked again, some times.
    Looks,
    /// Waits for a moment.
    Sleeps,
    /// Waits for an event that somebody posts.
    Listens,
}

pub struct Plan {
    pub tenants: Vec<TenantId>,
    pub dags: Vec<(TenantId, Dag)>,
    habits: HashMap<(TenantId, String, String), Habit>,
}

impl Plan {
    pub async fn draw(store: &dyn Store, dice: &mut fastrand::Rng) -> Self {
        // Tenants stay when their seed is over.
        let generation = Uuid::new_v4().simple();
        let mut plan = Self { tenants: Vec::new(), dags: Vec::new(), habits: HashMap::new() };
        for name in ["acme", "beta"] {
            let tenant = tenant(store, &format!("{name}-{generation}")).await;
            let pool = PoolRow {
                name: NARROW.to_owned(),
                slots: dice.i32(1..4),
                description: None,
                include_deferred: dice.bool(),
            };
            store.put_pool(tenant, &pool).await.expect("a pool");
            plan.tenants.push(tenant);
            for number in 0..dice.usize(1..3) {
                let drawn = plan.draw_dag(tenant, &format!("dag_{number}"), dice);
                put_dag(store, tenant, &drawn).await;
                plan.dags.push((tenant, drawn));
            }
        }
        plan
    }

    fn draw_dag(&mut self, tenant: TenantId, dag_id: &str, dice: &mut fastrand::Rng) -> Dag {
        let looks_back = dice.u8(..4) == 0;
        let names: Vec<String> = (0..dice.usize(1..8)).map(|number| format!("t{number}")).collect();
        let mut tasks = Vec::new();
        for (number, name) in names.iter().enumerate() {
            let upstream: Vec<&str> = names[..number].iter().filter(|_| dice.u8(..5) < 2).map(String::as_str).collect();
            let habit = match dice.u8(..10) {
                0 | 1 => Habit::Looks,
                2 => Habit::Sleeps,
                3 => Habit::Listens,
                _ => Habit::Works,
            };
            self.habits.insert((tenant, dag_id.to_owned(), name.clone()), habit);
            let mut drawn = Task {
                retries: dice.u32(..4),
                retry_delay: Seconds(dice.f64() * 20.0),
                pool: if dice.bool() { NARROW.to_owned() } else { task(name, &[]).pool },
                pool_slots: 1,
                priority_weight: dice.i32(1..5),
                depends_on_past: looks_back && dice.bool(),
                max_active_tis_per_dag: (dice.u8(..4) == 0).then(|| dice.u32(1..3)),
                trigger_rule: match dice.u8(..10) {
                    0 if !upstream.is_empty() => TriggerRule::AllDone,
                    1 if !upstream.is_empty() => TriggerRule::OneSuccess,
                    2 if !upstream.is_empty() => TriggerRule::NoneFailed,
                    _ => TriggerRule::AllSuccess,
                },
                ..task(name, &upstream)
            };
            if habit == Habit::Looks {
                drawn.resolved.kind = OperatorKind::Sensor;
                drawn.sensor.poke_interval = Seconds(1.0 + dice.f64() * 10.0);
                drawn.sensor.timeout = Seconds(100_000.0);
            }
            tasks.push(drawn);
        }
        let is_scheduled = dice.u8(..3) == 0;
        let every_minute = Schedule::CronTrigger {
            cron: vec!["* * * * *".to_owned()],
            interval: Seconds(0.0),
            run_immediately: Default::default(),
        };
        Dag {
            tasks,
            max_active_runs: dice.u32(1..4),
            max_active_tasks: dice.u32(1..6),
            schedule: if is_scheduled { every_minute } else { Schedule::None },
            start_date: is_scheduled.then(|| airlock_store::conformance::fixture::at(0)),
            ..dag(dag_id, &[])
        }
    }

    pub fn habit(&self, tenant: TenantId, dag_id: &str, task_id: &str) -> Habit {
        self.habits[&(tenant, dag_id.to_owned(), task_id.to_owned())]
    }

    /// Nothing new begins by itself any more.
    pub fn pause_schedules(&self, store: &dyn Store) {
        for (tenant, dag) in self.dags.iter().filter(|(_, dag)| dag.schedule != Schedule::None) {
            // A DAG that is paused starts none of its queued runs: it loses its schedule instead.
            let unscheduled = Dag { schedule: Schedule::None, ..dag.clone() };
            at_once(put_dag(store, *tenant, &unscheduled));
            at_once(store.set_next_run(*tenant, &dag.dag_id, 2, None)).expect("a DAG without a schedule");
        }
    }

    /// For the one who has to find out why.
    pub fn describe_unfinished(&self, store: &dyn Store) -> String {
        let page = Page { limit: 1_000, ..Page::default() };
        let all = self.tenants.iter().flat_map(|tenant| {
            at_once(store.list_instances(*tenant, &InstanceFilter::default(), &page)).expect("instances").items
        });
        let unfinished = all.filter(|one| !one.state.is_some_and(TaskState::is_finished));
        let described = unfinished.map(|one| {
            let state = one.state.map_or("none", TaskState::as_str);
            format!("{}/{}/{} {state} try {}", one.dag_id, one.run_id, one.task_id, one.try_number)
        });
        described.collect::<Vec<_>>().join(", ")
    }
}
