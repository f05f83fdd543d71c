//! What the states of upstream instances make of a task that has not been decided on.

use chrono::{DateTime, Utc};

use super::machine::RunMachine;
use super::rule::{self, Decision};
use crate::state::{TaskState, TriggerRule};

impl RunMachine {
    /// Decides on tasks until nothing changes any more: a skip or an upstream failure can decide the next.
    pub(super) fn decide_changed(&mut self, now: DateTime<Utc>) {
        while let Some(task) = self.changed.pop_first() {
            if self.finished {
                return;
            }
            if self.groups[task].pending.is_empty() {
                continue;
            }
            match self.decide(task) {
                Decision::Wait => {}
                Decision::Run if !self.past_lets(task) => {}
                decision => self.carry_out(task, decision, now),
            }
        }
    }

    fn carry_out(&mut self, task: usize, decision: Decision, now: DateTime<Utc>) {
        if decision == Decision::Run {
            self.make_instances(task, now);
        }
        let why = match (self.groups[task].left_out, self.decide_by_sources(task)) {
            (1.., _) => "by the decision of a task before it, which still stands".to_owned(),
            (0, Decision::Skip | Decision::UpstreamFailed) => "what it is mapped over is not there".to_owned(),
            (0, _) => format!("by the trigger rule `{}`", self.plan.task(task).trigger_rule),
        };
        for number in std::mem::take(&mut self.groups[task].pending) {
            let is_pending =
                matches!(self.slots[number].state, None | Some(TaskState::UpForRetry | TaskState::UpForReschedule));
            match decision {
                _ if !is_pending => {}
                Decision::Run => self.schedule(number, now),
                Decision::Skip => self.close(number, TaskState::Skipped, now, &why),
                Decision::UpstreamFailed => self.close(number, TaskState::UpstreamFailed, now, &why),
                Decision::Wait => self.groups[task].pending.push(number),
            }
        }
    }

    pub(super) fn decide(&self, task: usize) -> Decision {
        let group = &self.groups[task];
        let rule = self.plan.task(task).trigger_rule;
        if group.left_out > 0 {
            return Decision::Skip;
        }
        if rule == TriggerRule::Always {
            return Decision::Run;
        }
        let by_sources = self.decide_by_sources(task);
        if matches!(by_sources, Decision::Skip | Decision::UpstreamFailed) {
            return by_sources;
        }
        let by_setups = rule::decide_by_setups(&group.setups);
        if matches!(by_setups, Decision::Skip | Decision::UpstreamFailed) {
            return by_setups;
        }
        let waits = by_setups == Decision::Wait || by_sources == Decision::Wait;
        match rule::decide(rule, &group.direct) {
            Decision::Run if waits || !group.scope.all_done() => Decision::Wait,
            decision => decision,
        }
    }

    /// A decision holds as long as the instance that made it stands as a success.
    pub(super) fn leave_out(&mut self, number: usize, from: Option<TaskState>, to: Option<TaskState>) {
        let stands = |state| state == Some(TaskState::Success);
        if stands(from) == stands(to) || self.slots[number].skips.is_empty() {
            return;
        }
        for task in self.slots[number].skips.iter().filter_map(|task_id| self.plan.number(task_id)) {
            let left_out = &mut self.groups[task].left_out;
            *left_out = *left_out + u32::from(stands(to)) - u32::from(stands(from));
            self.changed.insert(task);
        }
    }
}
