//! Trigger rules: what the states of upstream instances mean for a task.

use std::ops::Add;

use crate::state::{TaskState, TriggerRule};

/// Upstream instances, counted by the state that they ended in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Counts {
    /// Of all instances, finished or not.
    pub total: u32,
    pub success: u32,
    pub failed: u32,
    pub upstream_failed: u32,
    pub skipped: u32,
    pub removed: u32,
    /// Of these, those of setups.
    pub setups: u32,
    pub setups_success: u32,
    pub setups_skipped: u32,
}

/// What is to become of a task that has not been decided on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Wait,
    Run,
    Skip,
    UpstreamFailed,
}

impl Counts {
    /// Adds an instance that has not finished.
    pub fn expect(&mut self, is_setup: bool) {
        self.total += 1;
        self.setups += u32::from(is_setup);
    }

    /// Takes out an instance that has not finished.
    pub fn expect_no_more(&mut self, is_setup: bool) {
        self.total -= 1;
        self.setups -= u32::from(is_setup);
    }

    /// An instance has left one state for another.
    pub fn shift(&mut self, from: Option<TaskState>, to: Option<TaskState>, is_setup: bool) {
        if let Some(count) = self.finished_in(from) {
            *count -= 1;
        }
        if let Some(count) = self.finished_in(to) {
            *count += 1;
        }
        if is_setup {
            self.setups_success -= u32::from(from == Some(TaskState::Success));
            self.setups_success += u32::from(to == Some(TaskState::Success));
            self.setups_skipped -= u32::from(from == Some(TaskState::Skipped));
            self.setups_skipped += u32::from(to == Some(TaskState::Skipped));
        }
    }

    fn finished_in(&mut self, state: Option<TaskState>) -> Option<&mut u32> {
        match state? {
            TaskState::Success => Some(&mut self.success),
            TaskState::Failed => Some(&mut self.failed),
            TaskState::UpstreamFailed => Some(&mut self.upstream_failed),
            TaskState::Skipped => Some(&mut self.skipped),
            TaskState::Removed => Some(&mut self.removed),
            _ => None,
        }
    }

    pub fn done(&self) -> u32 {
        self.success + self.failed + self.upstream_failed + self.skipped + self.removed
    }

    pub fn all_done(&self) -> bool {
        self.done() >= self.total
    }

    fn any_failed(&self) -> bool {
        self.failed + self.upstream_failed > 0
    }
}

impl Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            total: self.total + other.total,
            success: self.success + other.success,
            failed: self.failed + other.failed,
            upstream_failed: self.upstream_failed + other.upstream_failed,
            skipped: self.skipped + other.skipped,
            removed: self.removed + other.removed,
            setups: self.setups + other.setups,
            setups_success: self.setups_success + other.setups_success,
            setups_skipped: self.setups_skipped + other.setups_skipped,
        }
    }
}

/// What a rule says of its direct upstream instances.
pub fn decide(rule: TriggerRule, counts: &Counts) -> Decision {
    if counts.total == 0 {
        return Decision::Run;
    }
    sets_at_once(rule, counts).unwrap_or_else(|| if is_met(rule, counts) { Decision::Run } else { Decision::Wait })
}

/// The state that a rule gives a task instead of running it, often before all upstream instances have finished.
fn sets_at_once(rule: TriggerRule, counts: &Counts) -> Option<Decision> {
    let all_done = counts.all_done();
    let (skip, upstream_failed) = match rule {
        TriggerRule::AllSuccess => (counts.skipped > 0, counts.any_failed()),
        TriggerRule::AllFailed => (counts.success + counts.skipped > 0, false),
        TriggerRule::AllDone | TriggerRule::Always => (false, false),
        TriggerRule::AllDoneMinOneSuccess => {
            (counts.skipped > 0, counts.skipped == 0 && all_done && counts.success == 0)
        }
        TriggerRule::AllDoneSetupSuccess => {
            let skip = all_done && counts.setups > 0 && counts.setups_skipped >= counts.setups;
            (skip, !skip && all_done && counts.setups > 0 && counts.setups_success == 0)
        }
        TriggerRule::OneSuccess => {
            let skip = all_done && counts.done() == counts.skipped;
            (skip, !skip && all_done && counts.success == 0)
        }
        TriggerRule::OneFailed => (all_done && !counts.any_failed(), false),
        TriggerRule::OneDone => (all_done && counts.success + counts.failed == 0, false),
        TriggerRule::NoneFailed => (false, counts.any_failed()),
        TriggerRule::NoneFailedMinOneSuccess => {
            let skip = counts.skipped == counts.total;
            (skip, counts.any_failed() || (!skip && all_done && counts.success == 0))
        }
        TriggerRule::NoneSkipped => (counts.skipped > 0, false),
        TriggerRule::AllSkipped => (counts.success > 0 || counts.any_failed(), false),
    };
    if upstream_failed { Some(Decision::UpstreamFailed) } else { skip.then_some(Decision::Skip) }
}

/// Whether a rule lets a task run that [`sets_at_once`] left alone.
fn is_met(rule: TriggerRule, counts: &Counts) -> bool {
    let Counts { total, success, failed, skipped, removed, .. } = *counts;
    match rule {
        TriggerRule::AllSuccess => success + removed >= total,
        TriggerRule::AllFailed => failed + counts.upstream_failed + removed >= total,
        TriggerRule::AllDone
        | TriggerRule::AllDoneMinOneSuccess
        | TriggerRule::AllDoneSetupSuccess
        | TriggerRule::NoneSkipped => counts.all_done(),
        TriggerRule::OneSuccess => success > 0,
        TriggerRule::OneFailed => counts.any_failed(),
        TriggerRule::OneDone => success + failed > 0,
        TriggerRule::NoneFailed => success + skipped + removed >= total,
        TriggerRule::NoneFailedMinOneSuccess => success > 0 && success + skipped + removed >= total,
        TriggerRule::AllSkipped => skipped >= total,
        TriggerRule::Always => true,
    }
}

/// What setups further up say, whose teardowns are still to come: a task between the two needs all of them.
pub fn decide_by_setups(counts: &Counts) -> Decision {
    if counts.any_failed() {
        Decision::UpstreamFailed
    } else if counts.skipped > 0 {
        Decision::Skip
    } else if counts.success < counts.total {
        Decision::Wait
    } else {
        Decision::Run
    }
}
