//! What people want, while everything goes wrong: runs, and then that things be otherwise.

use std::sync::Arc;
use std::time::Duration;

use airlock_core::clear::{ClearSelection, ClearTarget, Clearing, clear_instances};
use airlock_core::dag::Dag;
use airlock_core::id::{RunKey, TenantId};
use airlock_core::mark::{RunMark, mark_run};
use airlock_core::run::{Instance, Plan, RunChange};
use airlock_store::conformance::fixture::new_run;
use airlock_store::driving::LoadedRun;
use airlock_store::runs::NewRun;
use airlock_store::wake::Wake;
use chrono::{SubsecRound, TimeDelta};
use serde_json::Value;
use uuid::Uuid;

use crate::line::at_once;
use crate::processes::{Post, Role};
use crate::tasks::EVENTS;
use crate::world::World;

pub async fn live(world: Arc<World>, post: Post) {
    let mut number = 0;
    loop {
        let (pause, wish) = world.dice(|dice| (dice.u64(200..5_000), dice.u8(..10)));
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let is_calm = world.book().is_calm;
        match wish {
            0..=3 if !is_calm => {
                number += 1;
                trigger(&world, number);
                post.wake(Role::Scheduler, Wake::runs);
            }
            4 if !is_calm => {
                intervene(&world);
                post.wake(Role::Scheduler, Wake::runs);
            }
            5..=7 => {
                post_event(&world, EVENTS[usize::from(wish % 2)]);
                post.wake(Role::Scheduler, Wake::runs);
            }
            _ => {}
        }
    }
}

fn trigger(world: &World, number: u32) {
    let (tenant, dag) = pick(world);
    let now = world.now().trunc_subsecs(6);
    let run_id = format!("manual__{number}");
    world.note(|| format!("somebody triggers {}/{run_id}", dag.dag_id));
    let run = NewRun {
        run_after: now,
        now,
        logical_date: Some(now + TimeDelta::microseconds(number.into())),
        ..new_run(tenant, &dag.dag_id, &run_id)
    };
    at_once(world.store.create_run(&run)).expect("a new run");
}

fn pick(world: &World) -> (TenantId, &Dag) {
    let (tenant, dag) = &world.plan.dags[world.dice(|dice| dice.usize(..world.plan.dags.len()))];
    (*tenant, dag)
}

fn post_event(world: &World, name: &str) {
    let now = world.now().trunc_subsecs(6);
    for tenant in &world.plan.tenants {
        at_once(world.store.post_event(*tenant, name, &Value::Null, now, now, 0)).ok();
    }
}

/// Clears a task with everything downstream, or marks a run.
fn intervene(world: &World) {
    let runs = world.runs();
    if runs.is_empty() {
        return;
    }
    let run = &runs[world.dice(|dice| dice.usize(..runs.len()))];
    let loaded = at_once(world.store.load_run(run.key)).expect("a run").expect("a run that nobody deletes");
    // What came before must hold still for those who look back.
    if loaded.dag.tasks.iter().any(|task| task.depends_on_past) {
        return;
    }
    let Some(change) = decide(world, &loaded) else { return };
    let (key, epoch) = (loaded.run.key, loaded.run.epoch);
    let applied = at_once(world.store.intervene(key, epoch, &change)).expect("an intervention");
    if applied {
        touch(world, key);
    }
}

fn touch(world: &World, key: RunKey) {
    let mut book = world.book();
    book.touched.insert(key);
    book.active.retain(|_, active| active.run != key);
}

fn decide(world: &World, loaded: &LoadedRun) -> Option<RunChange> {
    let instances: Vec<Instance> = loaded.instances.iter().cloned().map(Instance::from).collect();
    let (now, name) = (world.now().trunc_subsecs(6), format!("{}/{}", loaded.run.dag_id, loaded.run.run_id));
    if world.dice(|dice| dice.u8(..4)) == 0 && !loaded.run.state.is_finished() {
        world.note(|| format!("somebody marks {name} as failed"));
        return Some(mark_run(&loaded.dag, &instances, RunMark::Failed, "somebody", now));
    }
    let tasks = &loaded.dag.tasks;
    let task_id = tasks[world.dice(|dice| dice.usize(..tasks.len()))].task_id.clone();
    world.note(|| format!("somebody clears {name}/{task_id} and what follows"));
    let selection = ClearSelection {
        tasks: Some(vec![ClearTarget { task_id, map_index: None }]),
        downstream: true,
        ..ClearSelection::default()
    };
    let clearing = Clearing { selection: &selection, reset_run: true, to_version: None, by: "somebody" };
    let plan = Plan::new(loaded.dag.clone());
    let change = clear_instances(&plan, loaded.run.state, &instances, &clearing, Uuid::now_v7, now);
    (!change.is_empty()).then_some(change)
}
