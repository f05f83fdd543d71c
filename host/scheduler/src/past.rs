//! Tasks that depend on what came before.

use std::collections::BTreeSet;

use airlock_core::id::{RunKey, TenantId};
use airlock_core::run::Event;
use airlock_store::StoreResult;
use chrono::{DateTime, Utc};

use crate::round::Round;
use crate::scheduler::Scheduler;

impl Scheduler {
    /// Asks for the past of runs that wait for it, if they have not asked yet, if a run of their DAG has just moved, or if the timed
    /// pass (`all`) looks after what this scheduler does not hear of.
    pub(crate) async fn ask_past(&mut self, now: DateTime<Utc>, all: bool, round: &mut Round) -> StoreResult<()> {
        let moved = std::mem::take(&mut self.moved_dags);
        for (key, unasked) in self.held.awaiting_past.clone() {
            let Some(held) = self.held.runs.get(&key) else { continue };
            if !all && !unasked && !moved.contains(&(key.tenant, held.dag_id.clone())) {
                continue;
            }
            let Some(query) = held.machine.past_query() else { continue };
            let past = self.store.past_of(key, query.automated, &query.tasks).await?;
            self.held.tell(key, Event::Past(past), now, round);
        }
        self.note_moved(round);
        Ok(())
    }

    /// What this round changes in DAGs of which some run waits can be seen once it is committed: the next round asks again.
    fn note_moved(&mut self, round: &mut Round) {
        let dag_of = |key: &RunKey| Some((key.tenant, self.held.runs.get(key)?.dag_id.clone()));
        let waiting: BTreeSet<(TenantId, String)> = self.held.awaiting_past.keys().filter_map(dag_of).collect();
        if waiting.is_empty() {
            return;
        }
        self.moved_dags = round.changes.keys().filter_map(dag_of).filter(|dag| waiting.contains(dag)).collect();
        round.more |= !self.moved_dags.is_empty();
    }
}
