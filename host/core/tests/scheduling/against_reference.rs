//! The run machine against the slow reference: random DAGs, random orders of events, and machines made anew at any moment.

use std::collections::BTreeMap;
use std::sync::Arc;

use airlock_core::dag::{Dag, Elements, ExpandInput, Mapping, Seconds, Task, TaskGroup};
use airlock_core::outcome::{Failure, FailureCause, ShortCircuitScope, TryResult};
use airlock_core::run::{Effect, EndedTry, Event, Instance, Move, Plan, RunFacts, RunMachine, is_allowed};
use airlock_core::state::{RunState, TaskState, TriggerRule};
use chrono::TimeDelta;
use proptest::prelude::*;
use uuid::Uuid;

use crate::cases::{Moment, dag, task};
use crate::reference::{Ending, Reference, name};

const FACTS: RunFacts = RunFacts { logical_date: None, started_at: None, ignores_past: false };

/// The rows of a database, a machine that drives them, and the reference beside it.
struct World {
    plan: Arc<Plan>,
    rows: Vec<Instance>,
    outcome: Option<RunState>,
    machine: RunMachine,
    reference: Reference,
    now: Moment,
    wake_at: Vec<Moment>,
    /// Ends of tries that were told, to be told again.
    ended: Vec<EndedTry>,
}

impl World {
    fn new(dag: Dag) -> Self {
        let reference = Reference::new(&dag);
        let plan = Arc::new(Plan::new(Arc::new(dag)));
        let mut id = 0;
        let new_id = || {
            id += 1;
            Uuid::from_u128(id)
        };
        let rows: Vec<Instance> = plan.new_instances(new_id).into_iter().map(|new| Instance::from(&new)).collect();
        let machine = RunMachine::new(Arc::clone(&plan), FACTS, rows.clone());
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let mut world =
            Self { plan, rows, outcome: None, machine, reference, now, wake_at: Vec::new(), ended: Vec::new() };
        world.tell(Event::Begin);
        world
    }

    /// A machine made from the rows takes the place of the old one.
    fn restart(&mut self) {
        self.machine = RunMachine::new(Arc::clone(&self.plan), FACTS, self.rows.clone());
        self.wake_at.clear();
        self.tell(Event::Begin);
    }

    fn tell(&mut self, event: Event) {
        let mut reload = false;
        for effect in self.machine.on_event(event, self.now) {
            match effect {
                Effect::Move(moved) => self.apply(&moved),
                Effect::Expand { first, create } => {
                    if let Some(first) = first {
                        self.rows.iter_mut().find(|row| row.id == first).unwrap().map_index = 0;
                    }
                    self.rows.extend(create.iter().map(Instance::from));
                }
                Effect::WakeAt(at) => self.wake_at.push(at),
                Effect::Reload => reload = true,
                Effect::Await(_) => {}
                Effect::FinishRun { state, .. } => self.outcome = Some(state),
            }
        }
        if reload && self.outcome.is_none() {
            self.restart();
        }
    }

    fn apply(&mut self, moved: &Move) {
        let row = self.rows.iter_mut().find(|row| row.id == moved.instance).unwrap();
        if !moved.from_states.contains(&row.state) || row.try_number != moved.from_try {
            return;
        }
        assert!(is_allowed(row.state, moved.to), "{:?} to {:?} is in no table", row.state, moved.to);
        assert!(!row.state.is_some_and(TaskState::holds_slot) || moved.settles.is_some(), "a try is left open");
        row.state = moved.to;
        row.wake_at = moved.wake_at;
        row.reschedules = moved.reschedules;
        row.resume_state.clone_from(&moved.resume_state);
        if let Some(settles) = moved.settles.as_ref().filter(|settles| settles.final_state.is_some()) {
            row.skips.clone_from(&settles.skips);
            row.map_length = settles.map_length;
        }
    }

    fn in_state(&self, state: TaskState) -> Vec<usize> {
        (0..self.rows.len()).filter(|row| self.rows[*row].state == Some(state)).collect()
    }

    fn admit(&mut self, choice: usize) {
        let ready: Vec<_> = self.machine.ready().map(|ready| (ready.instance, ready.try_number)).collect();
        assert_eq!(ready.len(), self.in_state(TaskState::Scheduled).len());
        let Some((instance, try_number)) = pick(&ready, choice) else { return };
        let row = self.rows.iter_mut().find(|row| row.id == instance).unwrap();
        (row.state, row.try_number) = (Some(TaskState::Queued), try_number);
        self.reference.states.insert(name(&row.task_id, row.map_index), row.state);
        self.reference.tries.insert(name(&row.task_id, row.map_index), try_number);
        self.tell(Event::Admitted { instance, try_number });
    }

    /// A worker begins; the machine does not hear of it.
    fn start(&mut self, choice: usize) {
        let Some(row) = pick(&self.in_state(TaskState::Queued), choice) else { return };
        let row = &mut self.rows[row];
        row.state = Some(TaskState::Running);
        self.reference.states.insert(name(&row.task_id, row.map_index), row.state);
    }

    fn end(&mut self, choice: usize, how: &How) {
        let Some(row) = pick(&self.in_state(TaskState::Running), choice) else { return };
        let Instance { id, task_id, map_index, try_number, .. } = self.rows[row].clone();
        let ending = how.ending(self.plan.dag());
        let ended = EndedTry {
            instance: id,
            try_number,
            lease_token: Uuid::nil(),
            hostname: None,
            started_at: Some(self.now),
            ended_at: self.now,
            result: result(&ending),
            rendered_fields: None,
            outlet_events: Vec::new(),
        };
        self.ended.push(ended.clone());
        self.tell(Event::Ended(ended));
        self.reference.end(&name(&task_id, map_index), &ending);
    }

    /// The end of a try is told once more, late: nothing may follow from it.
    fn replay(&mut self, choice: usize) {
        let Some(ended) = pick(&self.ended, choice) else { return };
        let row = self.rows.iter().find(|row| row.id == ended.instance).unwrap();
        let runs_again = row.try_number == ended.try_number && row.state.is_some_and(TaskState::holds_slot);
        if !runs_again {
            assert_eq!(self.machine.on_event(Event::Ended(ended), self.now), []);
        }
    }

    /// Time passes, to when something that waits is due; the machine must have asked to be woken for it.
    fn advance(&mut self) {
        let Some(at) = self.rows.iter().filter_map(|row| row.wake_at).min() else { return };
        self.now = self.now.max(at);
        let due = self.rows.iter().filter(|row| row.wake_at.is_some_and(|wake_at| wake_at <= self.now));
        self.reference.due.extend(due.map(|row| name(&row.task_id, row.map_index)));
        self.reference.settle();
        if self.wake_at.iter().any(|wake_at| *wake_at <= self.now) {
            self.wake_at.retain(|wake_at| *wake_at > self.now);
            self.tell(Event::Tick);
        }
    }

    fn compare(&self) {
        let rows: BTreeMap<String, Option<TaskState>> =
            self.rows.iter().map(|row| (name(&row.task_id, row.map_index), row.state)).collect();
        assert_eq!(rows, self.reference.states);
        assert_eq!(self.outcome, self.reference.outcome);
    }
}

fn pick<T: Clone>(from: &[T], choice: usize) -> Option<T> {
    from.get(choice % from.len().max(1)).cloned()
}

fn result(ending: &Ending) -> TryResult {
    match ending.clone() {
        Ending::Success(length) => TryResult::Success { value: None, length },
        Ending::Skip => TryResult::Skip { reason: None },
        Ending::Branch(follow) => TryResult::Branch { follow },
        Ending::ShortCircuit { direct: true } => TryResult::ShortCircuit { scope: ShortCircuitScope::DirectDownstream },
        Ending::ShortCircuit { direct: false } => TryResult::ShortCircuit { scope: ShortCircuitScope::AllDownstream },
        Ending::NotYet => TryResult::Reschedule { at: None },
        Ending::Failure { retryable } => {
            let message = "at random".to_owned();
            TryResult::Failure(Failure::new(FailureCause::Operator, retryable, message))
        }
    }
}

/// An ending before it is known of which DAG.
#[derive(Clone, Debug)]
enum How {
    As(Ending),
    /// The tasks whose bits are set are followed.
    Branch(u8),
}

impl How {
    fn ending(&self, dag: &Dag) -> Ending {
        match self {
            Self::As(ending) => ending.clone(),
            Self::Branch(bits) => {
                let chosen = dag.tasks.iter().enumerate().filter(|(number, _)| bits >> (number % 8) & 1 == 1);
                Ending::Branch(chosen.map(|(_, task)| task.task_id.clone()).collect())
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Admit(usize),
    Start(usize),
    End(usize, How),
    Advance,
    Restart,
    Replay(usize),
}

fn how() -> impl Strategy<Value = How> {
    prop_oneof![
        5 => prop::option::weighted(0.8, 0..4_u32).prop_map(|length| How::As(Ending::Success(length))),
        2 => Just(How::As(Ending::Failure { retryable: true })),
        1 => Just(How::As(Ending::Failure { retryable: false })),
        1 => Just(How::As(Ending::Skip)),
        1 => Just(How::As(Ending::NotYet)),
        1 => any::<bool>().prop_map(|direct| How::As(Ending::ShortCircuit { direct })),
        1 => any::<u8>().prop_map(How::Branch),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => any::<usize>().prop_map(Step::Admit),
        6 => any::<usize>().prop_map(Step::Start),
        6 => (any::<usize>(), how()).prop_map(|(choice, how)| Step::End(choice, how)),
        2 => Just(Step::Advance),
        1 => Just(Step::Restart),
        1 => any::<usize>().prop_map(Step::Replay),
    ]
}

#[derive(Clone, Debug)]
struct Shape {
    rule: TriggerRule,
    /// The tasks before this one whose bits are set are upstream.
    upstream: u8,
    retries: u32,
    /// 0: a setup; 1: a teardown; 2: one whose failure counts.
    role: u8,
    mapped: Mapped,
}

#[derive(Clone, Copy, Debug)]
enum Mapped {
    Not,
    /// Over so many elements of the document.
    Literal(u8),
    /// Over what the first of its upstream tasks returns.
    Xcom,
    /// Over both.
    Both(u8),
}

impl Mapped {
    /// Where there is no upstream task, there is nothing but the document.
    fn mapping(self, first_upstream: Option<&String>) -> Option<Mapping> {
        let literal = |count: u8| ("x".to_owned(), Elements::Literal(vec![true.into(); count.into()]));
        let xcom = || first_upstream.map(|task_id| ("y".to_owned(), Elements::Xcom(task_id.clone())));
        let arguments = match self {
            Self::Not => return None,
            Self::Literal(count) => vec![literal(count)],
            Self::Xcom => vec![xcom()?],
            Self::Both(count) => [Some(literal(count)), xcom()].into_iter().flatten().collect(),
        };
        Some(Mapping { input: ExpandInput::Expand(arguments) })
    }
}

fn shape() -> impl Strategy<Value = Shape> {
    let rule = prop_oneof![1 => Just(TriggerRule::AllSuccess), 1 => proptest::sample::select(TriggerRule::ALL)];
    let mapped = prop_oneof![
        5 => Just(Mapped::Not),
        1 => (0..4_u8).prop_map(Mapped::Literal),
        2 => Just(Mapped::Xcom),
        1 => (1..3_u8).prop_map(Mapped::Both),
    ];
    (rule, any::<u8>(), 0..3_u32, 0..12_u8, mapped).prop_map(|(rule, upstream, retries, role, mapped)| Shape {
        rule,
        upstream,
        retries,
        role,
        mapped,
    })
}

/// A mapped group.
#[derive(Clone, Debug)]
struct GroupShape {
    /// The tasks whose bits are set are in it.
    members: u8,
    /// Over so many elements; otherwise over what the first task returns that is before all members.
    literal: Option<u8>,
}

fn group_shape() -> impl Strategy<Value = GroupShape> {
    (any::<u8>(), prop::option::weighted(0.4, 0..4_u8)).prop_map(|(members, literal)| GroupShape { members, literal })
}

/// Puts tasks into a mapped group, as a document would that has one.
fn add_group(dag: &mut Dag, shape: &GroupShape) {
    let is_member = |number: usize| shape.members >> (number % 8) & 1 == 1;
    let source = (!is_member(0)).then(|| dag.tasks.first().map(|task| task.task_id.clone())).flatten();
    let elements = match (shape.literal, source.clone()) {
        (None, Some(source)) => Elements::Xcom(source),
        (count, _) => Elements::Literal(vec![true.into(); count.unwrap_or(2).into()]),
    };
    let of_group: Vec<String> = dag
        .tasks
        .iter()
        .enumerate()
        .filter(|(number, _)| is_member(*number))
        .map(|(_, task)| task.task_id.clone())
        .collect();
    for task in dag.tasks.iter_mut().filter(|task| of_group.contains(&task.task_id)) {
        task.mapping = None;
        task.task_group = Some("g".to_owned());
        let is_root = !task.upstream.iter().any(|upstream| of_group.contains(upstream));
        if let (true, Elements::Xcom(source)) = (is_root, &elements) {
            task.upstream.push(source.clone());
            task.upstream.sort();
            task.upstream.dedup();
        }
    }
    let input = ExpandInput::Expand(vec![("x".to_owned(), elements)]);
    dag.task_groups.push(TaskGroup {
        group_id: "g".to_owned(),
        group_display_name: None,
        parent: None,
        tooltip: None,
        prefix_group_id: false,
        mapping: Some(Mapping { input }),
    });
}

fn dag_of(shapes: &[Shape], group: Option<&GroupShape>, fail_fast: bool) -> Dag {
    let id = |number: usize| format!("t{number}");
    let tasks = shapes.iter().enumerate().map(|(number, shape)| {
        let upstream: Vec<String> =
            (0..number).filter(|before| shape.upstream >> (before % 8) & 1 == 1).map(id).collect();
        let is_teardown = matches!(shape.role, 1 | 2);
        let mapping = shape.mapped.mapping(upstream.first());
        let trigger_rule = match shape.rule {
            _ if is_teardown => TriggerRule::AllDoneSetupSuccess,
            // Documents refuse to map over a result that is not waited for.
            TriggerRule::Always if mapping.is_some() => TriggerRule::AllDone,
            rule => rule,
        };
        Task {
            upstream,
            mapping,
            trigger_rule,
            retries: shape.retries,
            retry_delay: Seconds(10.0),
            is_setup: shape.role == 0,
            is_teardown,
            on_failure_fail_dagrun: shape.role == 2,
            ..task(&id(number))
        }
    });
    let mut dag = Dag { fail_fast, ..dag(tasks.collect()) };
    group.into_iter().for_each(|group| add_group(&mut dag, group));
    dag
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_machine_agrees_with_the_reference(
        shapes in prop::collection::vec(shape(), 0..8),
        group in prop::option::of(group_shape()),
        fail_fast in prop::bool::weighted(0.2),
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let mut world = World::new(dag_of(&shapes, group.as_ref(), fail_fast));
        world.compare();
        for step in &steps {
            if world.outcome.is_some() {
                break;
            }
            match step {
                Step::Admit(choice) => world.admit(*choice),
                Step::Start(choice) => world.start(*choice),
                Step::End(choice, how) => world.end(*choice, how),
                Step::Advance => world.advance(),
                Step::Restart => world.restart(),
                Step::Replay(choice) => world.replay(*choice),
            }
            world.compare();
        }
        // Whatever is left succeeds: the run must come to its end.
        for _ in 0..1_000 {
            if world.outcome.is_some() {
                break;
            }
            world.admit(0);
            world.start(0);
            world.end(0, &How::As(Ending::Success(Some(2))));
            world.advance();
            world.compare();
        }
        prop_assert!(world.outcome.is_some(), "the run does not end");
        prop_assert!(world.now - "2026-01-01T00:00:00Z".parse::<Moment>().unwrap() < TimeDelta::days(1));
    }
}
