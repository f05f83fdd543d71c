//! When the tries of a run came to their stages, as far as this scheduler has seen it: for measuring, and for nothing else.

use std::collections::HashMap;

use airlock_core::run::Effect;
use airlock_core::state::TaskState;
use airlock_store::driving::LoadedRun;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::metrics::is_first_of_schedule;

#[derive(Clone, Copy, Debug, Default)]
struct Stage {
    ready_at: Option<DateTime<Utc>>,
    queued_at: Option<DateTime<Utc>>,
}

/// Only tries that are ready, queued or running have an entry.
#[derive(Debug, Default)]
pub(crate) struct Stages {
    tries: HashMap<Uuid, Stage>,
    pub run_started_at: Option<DateTime<Utc>>,
    /// When a run that its timetable made was due.
    pub due: Option<DateTime<Utc>>,
    pub first_started_at: Option<DateTime<Utc>>,
}

impl Stages {
    pub fn of(loaded: &LoadedRun) -> Self {
        let tries = loaded.instances.iter().filter_map(|instance| {
            let stage = match instance.state? {
                TaskState::Scheduled => Stage { ready_at: instance.scheduled_at, queued_at: None },
                TaskState::Queued | TaskState::Running => Stage { ready_at: None, queued_at: instance.queued_at },
                _ => return None,
            };
            Some((instance.id, stage))
        });
        Self {
            tries: tries.collect(),
            run_started_at: loaded.run.started_at,
            due: is_first_of_schedule(loaded).then_some(loaded.run.run_after),
            first_started_at: loaded.instances.iter().filter_map(|instance| instance.first_started_at).min(),
        }
    }

    pub fn note(&mut self, effects: &[Effect]) {
        for effect in effects {
            if let Effect::Move(moved) = effect
                && moved.to == Some(TaskState::Scheduled)
            {
                self.tries.entry(moved.instance).or_default().ready_at = Some(moved.at);
            }
        }
    }

    /// Answers since when the try was ready.
    pub fn queued(&mut self, instance: Uuid, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let stage = self.tries.entry(instance).or_default();
        stage.queued_at = Some(now);
        stage.ready_at.take()
    }

    /// Answers since when the try was queued. It may be ready again already.
    pub fn ended(&mut self, instance: Uuid, started_at: Option<DateTime<Utc>>) -> Option<DateTime<Utc>> {
        self.first_started_at = self.first_started_at.into_iter().chain(started_at).min();
        let stage = self.tries.get_mut(&instance)?;
        let queued_at = stage.queued_at.take();
        if stage.ready_at.is_none() {
            self.tries.remove(&instance);
        }
        queued_at
    }
}
