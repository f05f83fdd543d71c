//! Which task instances are queued now, given pools, limits, priorities and shares.
//!
//! Instances of one task in one run compete alike: once one of them is refused, so are the others in the same pass. A pass
//! therefore costs what it admits, and one look at each task that it refuses, however many instances that task has.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::fmt;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::dag::Task;
use crate::id::TenantId;
use crate::outcome::Resume;
use crate::run::{ReadyInstance, ReadyTask, RunMachine};

/// A run whose ready instances are to be admitted.
#[derive(Clone, Copy, Debug)]
pub struct Offer<'a> {
    pub tenant: TenantId,
    /// The tenant's own limit of tries that are queued or running; none is without bound.
    pub tenant_limit: Option<u32>,
    pub machine: &'a RunMachine,
}

/// What is queued or running now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// By tenant and name; a pool that does not exist is not here.
    pub pools: HashMap<(TenantId, String), PoolUsage>,
    /// Tries that are queued or running.
    pub tenants: HashMap<TenantId, u64>,
    /// Instances that count as active, by tenant, DAG and task, over all runs.
    pub tasks: HashMap<(TenantId, String, String), u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolUsage {
    /// -1: without bound.
    pub slots: i32,
    pub used: u64,
}

/// An instance that is to be queued.
#[derive(Clone, Debug, PartialEq)]
pub struct Admitted<'a> {
    /// Which of the offers.
    pub offer: usize,
    pub task: &'a Task,
    pub weight: i64,
    pub instance: Uuid,
    pub map_index: i32,
    pub from_try: u32,
    pub try_number: u32,
    pub resume: Option<Resume>,
}

/// Something that stays where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Which of the offers.
    pub offer: usize,
    /// None: the whole rest of the run.
    pub task_id: Option<String>,
    pub reason: Reason,
}

/// Why an instance is not queued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    PoolMissing {
        pool: String,
    },
    PoolTooSmall {
        pool: String,
        slots: i32,
        needed: u32,
    },
    PoolFull {
        pool: String,
        open: u64,
        needed: u32,
    },
    RunLimit {
        max_active_tasks: u32,
    },
    TaskLimit {
        max_active_tis_per_dag: u32,
    },
    TaskRunLimit {
        max_active_tis_per_dagrun: u32,
    },
    TenantLimit {
        max_active_tasks: u32,
    },
    /// This pass has admitted as many as it may; the next goes on.
    PassFull,
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PoolMissing { pool } => write!(formatter, "there is no pool `{pool}`"),
            Self::PoolTooSmall { pool, slots, needed } => {
                write!(formatter, "it needs {needed} slots, and the pool `{pool}` has {slots} in all")
            }
            Self::PoolFull { pool, open, needed } => {
                write!(formatter, "it needs {needed} slots, and the pool `{pool}` has {open} open")
            }
            Self::RunLimit { max_active_tasks } => {
                write!(formatter, "the run has {max_active_tasks} active tasks, its DAG's max_active_tasks")
            }
            Self::TaskLimit { max_active_tis_per_dag } => {
                write!(formatter, "the task has {max_active_tis_per_dag} active instances, its max_active_tis_per_dag")
            }
            Self::TaskRunLimit { max_active_tis_per_dagrun } => write!(
                formatter,
                "the task has {max_active_tis_per_dagrun} active instances in this run, its max_active_tis_per_dagrun"
            ),
            Self::TenantLimit { max_active_tasks } => {
                write!(formatter, "the tenant has {max_active_tasks} active tasks, as many as its policy allows")
            }
            Self::PassFull => formatter.write_str("others come first"),
        }
    }
}

/// What a pass came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Admissions<'a> {
    /// In the order in which they are to be queued.
    pub admitted: Vec<Admitted<'a>>,
    pub refused: Vec<Refused>,
}

/// Admits up to `limit` instances. Among tenants, the one with the fewest active tries comes first; within a tenant, the order is
/// Airflow's: weight, logical date, map index.
pub fn admit<'a>(offers: &[Offer<'a>], usage: Usage, limit: usize) -> Admissions<'a> {
    let mut pass =
        Pass { offers, usage, active: HashMap::new(), task_active: HashMap::new(), result: Admissions::default() };
    let mut cursors: HashMap<TenantId, BinaryHeap<Cursor<'a>>> = HashMap::new();
    for (number, offer) in offers.iter().enumerate() {
        if let Some(cursor) = Cursor::new(number, offer.machine) {
            cursors.entry(offer.tenant).or_default().push(cursor);
        }
    }
    let active = |pass: &Pass<'_, '_>, tenant: TenantId| pass.usage.tenants.get(&tenant).copied().unwrap_or(0);
    let mut tenants: BinaryHeap<Reverse<(u64, TenantId)>> =
        cursors.keys().map(|tenant| Reverse((active(&pass, *tenant), *tenant))).collect();
    while let Some(Reverse((_, tenant))) = tenants.pop() {
        let Some(heap) = cursors.get_mut(&tenant) else { continue };
        let Some(cursor) = heap.pop() else { continue };
        let verdict = if pass.result.admitted.len() < limit { pass.judge(&cursor) } else { Err(Reason::PassFull) };
        match verdict {
            Ok(()) => {
                pass.admit(&cursor);
                heap.extend(cursor.next_instance());
            }
            Err(reason) => {
                pass.refuse(&cursor, &reason);
                match reason {
                    Reason::RunLimit { .. } | Reason::PassFull => {}
                    Reason::TenantLimit { .. } => heap.clear(),
                    _ => heap.extend(cursor.next_task()),
                }
            }
        }
        if !heap.is_empty() {
            tenants.push(Reverse((active(&pass, tenant), tenant)));
        }
    }
    pass.result
}

/// Everything that keeps a task of a run from being queued now. Empty if nothing does, and if the task is not ready.
pub fn obstacles(offer: &Offer<'_>, task_id: &str, usage: &Usage) -> Vec<Reason> {
    let offers = std::slice::from_ref(offer);
    let pass = Pass {
        offers,
        usage: usage.clone(),
        active: HashMap::new(),
        task_active: HashMap::new(),
        result: Admissions::default(),
    };
    let ready = offer.machine.ready_tasks().find(|ready| ready.task().task_id == task_id);
    ready.into_iter().flat_map(|ready| pass.obstacles(0, ready).collect::<Vec<_>>()).collect()
}

/// A pass as it goes on.
struct Pass<'o, 'a> {
    offers: &'o [Offer<'a>],
    usage: Usage,
    /// What this pass has added, by offer.
    active: HashMap<usize, u32>,
    /// What this pass has added, by offer and task.
    task_active: HashMap<(usize, &'a str), u32>,
    result: Admissions<'a>,
}

impl<'a> Pass<'_, 'a> {
    fn judge(&self, cursor: &Cursor<'a>) -> Result<(), Reason> {
        self.obstacles(cursor.offer, cursor.task).next().map_or(Ok(()), Err)
    }

    /// Everything that keeps a task from being queued, what concerns most first. Each is looked at only when it is asked for.
    fn obstacles(&self, number: usize, ready: ReadyTask<'a>) -> impl Iterator<Item = Reason> {
        let offer = &self.offers[number];
        let task = ready.task();
        std::iter::once_with(move || self.tenant_obstacle(offer))
            .chain(std::iter::once_with(move || self.run_obstacle(number)))
            .chain(std::iter::once_with(move || self.pool_obstacle(offer.tenant, task)))
            .chain(std::iter::once_with(move || self.task_obstacle(offer, task)))
            .chain(std::iter::once_with(move || self.task_run_obstacle(number, ready)))
            .flatten()
    }

    fn tenant_obstacle(&self, offer: &Offer<'a>) -> Option<Reason> {
        let limit = offer.tenant_limit?;
        let active = self.usage.tenants.get(&offer.tenant).copied().unwrap_or(0);
        (active >= u64::from(limit)).then_some(Reason::TenantLimit { max_active_tasks: limit })
    }

    fn run_obstacle(&self, number: usize) -> Option<Reason> {
        let machine = self.offers[number].machine;
        let limit = machine.plan().dag().max_active_tasks;
        let added = self.active.get(&number).copied().unwrap_or(0);
        (machine.queued_or_running() + added >= limit).then_some(Reason::RunLimit { max_active_tasks: limit })
    }

    fn pool_obstacle(&self, tenant: TenantId, task: &Task) -> Option<Reason> {
        let (pool, needed) = (task.pool.clone(), task.pool_slots);
        let Some(usage) = self.usage.pools.get(&(tenant, pool.clone())) else {
            return Some(Reason::PoolMissing { pool });
        };
        let slots = u64::try_from(usage.slots).ok()?;
        let open = slots.saturating_sub(usage.used);
        if u64::from(needed) > slots {
            Some(Reason::PoolTooSmall { pool, slots: usage.slots, needed })
        } else if u64::from(needed) > open || open == 0 {
            Some(Reason::PoolFull { pool, open, needed })
        } else {
            None
        }
    }

    fn task_obstacle(&self, offer: &Offer<'a>, task: &Task) -> Option<Reason> {
        let limit = task.max_active_tis_per_dag?;
        let active = self.usage.tasks.get(&task_key(offer, task)).copied().unwrap_or(0);
        (active >= u64::from(limit)).then_some(Reason::TaskLimit { max_active_tis_per_dag: limit })
    }

    fn task_run_obstacle(&self, number: usize, ready: ReadyTask<'a>) -> Option<Reason> {
        let limit = ready.task().max_active_tis_per_dagrun?;
        let added = self.task_active.get(&(number, ready.task().task_id.as_str())).copied().unwrap_or(0);
        (ready.active() + added >= limit).then_some(Reason::TaskRunLimit { max_active_tis_per_dagrun: limit })
    }

    fn admit(&mut self, cursor: &Cursor<'a>) {
        let offer = &self.offers[cursor.offer];
        let task = cursor.task.task();
        if let Some(pool) = self.usage.pools.get_mut(&(offer.tenant, task.pool.clone())) {
            pool.used += u64::from(task.pool_slots);
        }
        *self.usage.tenants.entry(offer.tenant).or_default() += 1;
        *self.active.entry(cursor.offer).or_default() += 1;
        if task.max_active_tis_per_dag.is_some() {
            *self.usage.tasks.entry(task_key(offer, task)).or_default() += 1;
        }
        if task.max_active_tis_per_dagrun.is_some() {
            *self.task_active.entry((cursor.offer, task.task_id.as_str())).or_default() += 1;
        }
        let ReadyInstance { instance, map_index, from_try, try_number, .. } = cursor.instance;
        self.result.admitted.push(Admitted {
            offer: cursor.offer,
            task,
            weight: cursor.task.weight,
            instance,
            map_index,
            from_try,
            try_number,
            resume: cursor.instance.resume.clone(),
        });
    }

    fn refuse(&mut self, cursor: &Cursor<'a>, reason: &Reason) {
        let whole = matches!(reason, Reason::RunLimit { .. } | Reason::TenantLimit { .. } | Reason::PassFull);
        let task_id = (!whole).then(|| cursor.task.task().task_id.clone());
        self.result.refused.push(Refused { offer: cursor.offer, task_id, reason: reason.clone() });
    }
}

fn task_key(offer: &Offer<'_>, task: &Task) -> (TenantId, String, String) {
    (offer.tenant, offer.machine.plan().dag().dag_id.clone(), task.task_id.clone())
}

/// A place in a run's ready instances.
struct Cursor<'a> {
    offer: usize,
    logical_date: Option<DateTime<Utc>>,
    task: ReadyTask<'a>,
    instance: ReadyInstance<'a>,
    instances: Box<dyn Iterator<Item = ReadyInstance<'a>> + 'a>,
    tasks: Box<dyn Iterator<Item = ReadyTask<'a>> + 'a>,
}

impl<'a> Cursor<'a> {
    fn new(offer: usize, machine: &'a RunMachine) -> Option<Self> {
        Self::at_next_task(offer, machine.logical_date(), Box::new(machine.ready_tasks()))
    }

    fn at_next_task(
        offer: usize,
        logical_date: Option<DateTime<Utc>>,
        mut tasks: Box<dyn Iterator<Item = ReadyTask<'a>> + 'a>,
    ) -> Option<Self> {
        let task = tasks.next()?;
        let mut instances: Box<dyn Iterator<Item = ReadyInstance<'a>> + 'a> = Box::new(task.instances());
        let instance = instances.next()?;
        Some(Self { offer, logical_date, task, instance, instances, tasks })
    }

    fn next_task(self) -> Option<Self> {
        Self::at_next_task(self.offer, self.logical_date, self.tasks)
    }

    fn next_instance(mut self) -> Option<Self> {
        match self.instances.next() {
            Some(instance) => Some(Self { instance, ..self }),
            None => self.next_task(),
        }
    }

    /// Greater comes first.
    fn rank(&self) -> impl Ord + use<'a> {
        let undated = self.logical_date.is_none();
        (self.task.weight, Reverse((undated, self.logical_date, self.instance.map_index, self.offer)))
    }
}

impl PartialEq for Cursor<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Cursor<'_> {}

impl PartialOrd for Cursor<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Cursor<'_> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank().cmp(&other.rank())
    }
}
