//! The roles of a process, each a task of the runtime. If one ends, all are stopped.

use airlock_api::{ApiState, ConfigOption, ConfigSection, Settings};
use airlock_scheduler::{Scheduler, SchedulerOptions};
use airlock_telemetry::Pulse;
use airlock_worker::{Worker, WorkerOptions, WorkerParts};
use anyhow::{Context, Result};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::alive::{self, About};
use super::execution::{Execution, Inspector, Tester};
use super::listen::Listener;
use super::monitor::Monitor;
use super::parts::Parts;
use super::retention;
use crate::config::{Config, Key, Value};

pub struct Roles {
    parts: Parts,
    monitor: Monitor,
    stop: CancellationToken,
    tasks: JoinSet<Result<()>>,
}

impl Roles {
    pub fn new(parts: Parts, monitor: Monitor, stop: CancellationToken) -> Self {
        Self { parts, monitor, stop, tasks: JoinSet::new() }
    }

    pub fn api(&mut self, execution: &Execution, listener: Listener, config: &Config) -> Result<()> {
        let Parts { store, blobs, vault, wake, clock, .. } = self.parts.clone();
        let state = ApiState::new(airlock_api::Parts {
            store,
            blobs,
            vault,
            inspector: std::sync::Arc::new(Inspector(execution.sandbox.clone())),
            connection_tester: std::sync::Arc::new(Tester(execution.hooks.clone())),
            wake,
            clock,
            metrics: std::sync::Arc::new(self.monitor.clone()),
            settings: Settings { exposed_config: exposed(config)?, ..Settings::default() },
        });
        self.tell(About { id: Uuid::new_v4(), role: "api", queues: Vec::new(), slots: None });
        self.monitor.answer_for_all();
        let router = airlock_api::router(state).merge(self.monitor.probes());
        self.tasks.spawn(listener.serve(router, self.stop.clone()));
        Ok(())
    }

    pub fn scheduler(&mut self, config: &Config) -> Result<()> {
        let options =
            SchedulerOptions { hostname: alive::hostname(), run_lease: config.lease()?, ..SchedulerOptions::default() };
        let scheduler =
            Scheduler::new(self.parts.store.clone(), self.parts.wake.clone(), self.parts.clock.clone(), options);
        self.monitor.watch([scheduler.pulse()]);
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            scheduler.run(stop).await;
            Ok(())
        });
        let keeping = retention::keep(self.parts.clone(), config.retention_interval()?, self.stop.clone());
        self.tasks.spawn(async move {
            keeping.await;
            Ok(())
        });
        Ok(())
    }

    pub fn worker(&mut self, execution: &Execution, config: &Config) -> Result<()> {
        let Parts { store, blobs, vault, wake, clock, .. } = self.parts.clone();
        let parts = WorkerParts {
            store,
            wake,
            sandbox: execution.sandbox.clone(),
            http: execution.hooks.clone(),
            sql: execution.hooks.clone(),
            object_store: execution.hooks.clone(),
            vault,
            blobs,
            clock,
        };
        let options = WorkerOptions {
            hostname: alive::hostname(),
            queues: config.queues(),
            concurrency: config.worker_slots()?,
            lease: config.lease()?,
            grace: config.grace()?,
            ..WorkerOptions::default()
        };
        let worker = Worker::new(parts, options)?;
        self.monitor.watch(worker.pulses());
        let stop = self.stop.clone();
        let (queues, slots) = (config.queues(), Some(config.worker_slots()?));
        self.tell(About { id: worker.id(), role: "worker", queues, slots });
        self.tasks.spawn(async move {
            worker.run(stop).await;
            Ok(())
        });
        Ok(())
    }

    /// A scheduler tells of itself.
    fn tell(&mut self, about: About) {
        let pulse = Pulse::new(about.role);
        self.monitor.watch([pulse.clone()]);
        let telling = alive::tell(self.parts.clone(), about, pulse, self.stop.clone());
        self.tasks.spawn(async move {
            telling.await;
            Ok(())
        });
    }

    /// Waits until every role has ended. The first that does, by request or by a fault, stops the others.
    pub async fn ended(mut self) -> Result<()> {
        let mut outcome = Ok(());
        while let Some(ended) = self.tasks.join_next().await {
            self.stop.cancel();
            let ended = ended.context("a part of the server broke").and_then(|ended| ended);
            outcome = outcome.and(ended);
        }
        outcome
    }
}

/// The configuration as the API may show it.
fn exposed(config: &Config) -> Result<Option<Vec<ConfigSection>>> {
    if !config.expose_config()? {
        return Ok(None);
    }
    let option = |(key, value): (&Key, Option<&Value>)| {
        let value = value?;
        let shown = if key.secret { "< hidden >" } else { value.text.as_str() };
        Some(ConfigOption { key: key.name.to_owned(), value: shown.to_owned() })
    };
    let options = config.entries().filter_map(option).collect();
    Ok(Some(vec![ConfigSection { name: "airlock".to_owned(), options }]))
}
