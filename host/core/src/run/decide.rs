//! What the states of upstream instances make of instances that have not been decided on.

use chrono::{DateTime, Utc};

use super::machine::RunMachine;
use super::rule::{self, Decision};
use super::tally::Tally;
use crate::id::UNMAPPED;
use crate::state::{TaskState, TriggerRule};

impl RunMachine {
    /// Decides on tasks until nothing changes any more: a skip or an upstream failure can decide the next.
    pub(super) fn decide_changed(&mut self, now: DateTime<Utc>) {
        while let Some(task) = self.changed.pop_first() {
            if self.finished {
                return;
            }
            self.decide_pending(task, now);
        }
    }

    fn decide_pending(&mut self, task: usize, now: DateTime<Utc>) {
        for own in self.nodes[task].pending.tallies() {
            match self.decide(task, &own) {
                Decision::Wait => {}
                Decision::Run if !self.past_lets(task) => {}
                // There are others to be decided on now.
                Decision::Run if self.make_instances(task, now) => {
                    self.changed.insert(task);
                    return;
                }
                decision => self.carry_out(task, &own, decision, now),
            }
        }
    }

    fn carry_out(&mut self, task: usize, own: &Tally, decision: Decision, now: DateTime<Utc>) {
        let left_out = (self.nodes[task].shared + *own).left_out > 0;
        let why = match self.decide_by_sources(task) {
            _ if left_out => "by the decision of a task before it, which still stands".to_owned(),
            Decision::Skip | Decision::UpstreamFailed => "what it is mapped over is not there".to_owned(),
            _ => format!("by the trigger rule `{}`", self.plan.task(task).trigger_rule),
        };
        for number in self.nodes[task].pending.take(own) {
            match decision {
                Decision::Run => self.schedule(number, now),
                Decision::Skip => self.close(number, TaskState::Skipped, now, &why),
                Decision::UpstreamFailed => self.close(number, TaskState::UpstreamFailed, now, &why),
                Decision::Wait => self.pend(number),
            }
        }
    }

    /// What is to become of those instances of a task that have this tally of their own.
    pub(super) fn decide(&self, task: usize, own: &Tally) -> Decision {
        let tally = self.nodes[task].shared + *own;
        let rule = self.plan.task(task).trigger_rule;
        if tally.left_out > 0 {
            return Decision::Skip;
        }
        let by_sources = self.decide_by_sources(task);
        if rule == TriggerRule::Always || matches!(by_sources, Decision::Skip | Decision::UpstreamFailed) {
            return by_sources;
        }
        let by_setups = rule::decide_by_setups(&tally.setups);
        if matches!(by_setups, Decision::Skip | Decision::UpstreamFailed) {
            return by_setups;
        }
        let waits = by_setups == Decision::Wait || by_sources == Decision::Wait;
        match rule::decide(rule, &tally.direct) {
            Decision::Run if waits || !tally.scope.all_done() => Decision::Wait,
            decision => decision,
        }
    }

    /// A decision holds as long as the instance that made it stands as a success.
    pub(super) fn leave_out(&mut self, number: usize, from: Option<TaskState>, to: Option<TaskState>) {
        let stands = |state| u32::from(state == Some(TaskState::Success));
        let slot = &self.slots[number];
        if stands(from) == stands(to) || slot.skips.is_empty() {
            return;
        }
        let index = Some(slot.map_index).filter(|index| *index != UNMAPPED);
        let left_out: Vec<usize> = slot.skips.iter().filter_map(|task_id| self.plan.number(task_id)).collect();
        for task in left_out {
            self.tally(task, index, |tally| tally.left_out = tally.left_out + stands(to) - stands(from));
        }
    }
}
