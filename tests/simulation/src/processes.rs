//! Schedulers and workers, and the wake-ups between them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use airlock_scheduler::{Scheduler, SchedulerOptions};
use airlock_store::wake::{Signal, Wake};
use airlock_worker::{Worker, WorkerOptions};
use tokio_util::sync::CancellationToken;

use crate::line::{Line, Link};
use crate::tasks::Dice;
use crate::world::World;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Scheduler,
    Worker,
}

const ROLES: [Role; 4] = [Role::Scheduler, Role::Scheduler, Role::Worker, Role::Worker];

pub struct Process {
    role: Role,
    pub line: Arc<Line>,
    wake: Wake,
    shutdown: CancellationToken,
}

/// All processes that live, for those that tell them something.
type Register = Arc<Mutex<Vec<(Role, Arc<Line>, Wake)>>>;

pub struct Processes {
    pub all: Vec<Process>,
    post: Post,
    started: u32,
}

/// Carries wake-ups from one process to others. Some are lost, some are late.
#[derive(Clone)]
pub struct Post {
    world: Arc<World>,
    register: Register,
}

impl Post {
    /// To all processes of a role.
    pub fn wake(&self, role: Role, signal: fn(&Wake) -> &Signal) {
        let listening = self.register.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (_, _, wake) in listening.into_iter().filter(|(listener, line, _)| *listener == role && !line.is_dead()) {
            let (is_lost, delay) = self.world.dice(|dice| (dice.u8(..10) == 0, dice.u64(..20)));
            if !is_lost {
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(delay)).await;
                    signal(&wake).raise();
                });
            }
        }
    }

    /// Passes on what a process raises for others.
    fn forward(&self, line: &Arc<Line>, wake: &Wake, role: Role, signal: fn(&Wake) -> &Signal) {
        let (post, line, wake) = (self.clone(), line.clone(), wake.clone());
        tokio::spawn(async move {
            loop {
                signal(&wake).raised().await;
                line.pass().await;
                post.wake(role, signal);
            }
        });
    }
}

impl Processes {
    pub fn start(world: &Arc<World>) -> Self {
        let post = Post { world: world.clone(), register: Register::default() };
        let mut processes = Self { all: Vec::new(), post, started: 0 };
        for role in ROLES {
            processes.begin(world, role);
        }
        processes
    }

    pub fn post(&self) -> Post {
        self.post.clone()
    }

    fn begin(&mut self, world: &Arc<World>, role: Role) {
        self.started += 1;
        let name = match role {
            Role::Scheduler => format!("scheduler-{}", self.started),
            Role::Worker => format!("worker-{}", self.started),
        };
        let (line, wake) = (Arc::new(Line::new(name.clone(), world.clone())), Wake::default());
        let (store, clock, shutdown) = (Arc::new(Link(line.clone())), line.clock(), CancellationToken::new());
        match role {
            Role::Scheduler => {
                let options = SchedulerOptions {
                    hostname: name,
                    pass_interval: Duration::from_secs(5),
                    rest_after: Duration::from_secs(3),
                    housekeeping_interval: Duration::from_secs(600),
                    heartbeat_interval: Duration::from_secs(60),
                    // Less than what there is at once, so that some of it is always left for the next round.
                    changes: 3,
                    admissions: 3,
                    ..SchedulerOptions::default()
                };
                let scheduler = Scheduler::new(store, wake.clone(), clock, options);
                tokio::spawn(scheduler.run(shutdown.clone()));
                self.post.forward(&line, &wake, Role::Worker, Wake::queue);
                self.post.forward(&line, &wake, Role::Worker, Wake::callbacks);
            }
            Role::Worker => {
                let options = WorkerOptions {
                    hostname: name,
                    concurrency: world.dice(|dice| dice.u32(1..6)),
                    lease: Duration::from_secs(15),
                    poll: Duration::from_secs(5),
                    grace: Duration::from_secs(5),
                    ..WorkerOptions::default()
                };
                let runner = Arc::new(Dice { line: line.clone() });
                let worker = Worker::with_runner(store, wake.clone(), clock, options, runner);
                let shutdown = shutdown.clone();
                tokio::spawn(async move { worker.run(shutdown).await });
                self.post.forward(&line, &wake, Role::Scheduler, Wake::reports);
            }
        }
        let mut register = self.post.register.lock().unwrap_or_else(PoisonError::into_inner);
        register.retain(|(_, line, _)| !line.is_dead());
        register.push((role, line.clone(), wake.clone()));
        drop(register);
        self.all.push(Process { role, line, wake, shutdown });
    }

    /// As by `kill -9`; another of its kind is started in its place.
    pub fn kill(&mut self, world: &Arc<World>, number: usize) {
        let process = self.all.remove(number);
        process.line.kill();
        self.begin(world, process.role);
    }

    /// As by SIGTERM. The process ends in its own time, beside the one that is started in its place.
    pub fn terminate(&mut self, world: &Arc<World>, number: usize) {
        let process = self.all.remove(number);
        process.shutdown.cancel();
        process.wake.queue().raise();
        self.begin(world, process.role);
    }

    /// Everything works again.
    pub fn heal(&self) {
        let register = self.post.register.lock().unwrap_or_else(PoisonError::into_inner);
        register.iter().for_each(|(_, line, _)| line.heal());
    }
}
