//! The states of runs and task instances, by Airflow's names.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A name that none of the members of an enumeration has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not a {what}; valid are {valid}")]
pub struct UnknownName {
    pub what: &'static str,
    pub found: String,
    pub valid: String,
}

/// Declares an enumeration whose members have one fixed name in JSON, databases and texts.
macro_rules! names {
    ($(#[$meta:meta])* $name:ident, $what:literal, { $($(#[$member_meta:meta])* $member:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$member_meta])* #[serde(rename = $text)] $member,)+
        }

        impl $name {
            /// Every member, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$member,)+];

            /// The name in JSON, databases and texts.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$member => $text,)+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownName;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::ALL.iter().copied().find(|member| member.as_str() == text).ok_or_else(|| UnknownName {
                    what: $what,
                    found: text.to_owned(),
                    valid: Self::ALL.iter().map(|member| member.as_str()).collect::<Vec<_>>().join(", "),
                })
            }
        }
    };
}
pub(crate) use names;

names! {
    /// The state of a task instance. No state at all (`None` where an `Option` is held, `null` in JSON) is Airflow's
    /// `no_status`: nothing has been decided yet.
    TaskState, "task state", {
        Scheduled = "scheduled",
        Queued = "queued",
        Running = "running",
        Restarting = "restarting",
        Deferred = "deferred",
        AwaitingInput = "awaiting_input",
        UpForRetry = "up_for_retry",
        UpForReschedule = "up_for_reschedule",
        Success = "success",
        Failed = "failed",
        Skipped = "skipped",
        UpstreamFailed = "upstream_failed",
        Removed = "removed",
    }
}

impl TaskState {
    /// Nothing follows any more, unless a person clears the task.
    pub const fn is_finished(self) -> bool {
        matches!(self, Self::Success | Self::Failed | Self::Skipped | Self::UpstreamFailed | Self::Removed)
    }

    pub const fn is_success_like(self) -> bool {
        matches!(self, Self::Success | Self::Skipped)
    }

    pub const fn is_failure_like(self) -> bool {
        matches!(self, Self::Failed | Self::UpstreamFailed)
    }

    /// Holds slots of its pool.
    pub const fn holds_slot(self) -> bool {
        matches!(self, Self::Queued | Self::Running)
    }

    /// Counts for `max_active_tis_per_dag` and `max_active_tis_per_dagrun`.
    pub const fn counts_as_active(self) -> bool {
        matches!(self, Self::Queued | Self::Running | Self::Deferred | Self::AwaitingInput)
    }
}

names! {
    /// Who made a run: Airflow's `triggered_by`.
    TriggeredBy, "maker of DAG runs", {
        Cli = "cli",
        Operator = "operator",
        RestApi = "rest_api",
        Ui = "ui",
        Test = "test",
        Timetable = "timetable",
        Asset = "asset",
        Backfill = "backfill",
    }
}

names! {
    RunState, "DAG run state", {
        Queued = "queued",
        Running = "running",
        Success = "success",
        Failed = "failed",
    }
}

impl RunState {
    pub const fn is_finished(self) -> bool {
        matches!(self, Self::Success | Self::Failed)
    }
}

names! {
    /// Why a run exists.
    RunType, "DAG run type", {
        Backfill = "backfill",
        Scheduled = "scheduled",
        Manual = "manual",
        OperatorTriggered = "operator_triggered",
        AssetTriggered = "asset_triggered",
        AssetMaterialization = "asset_materialization",
    }
}

names! {
    TriggerRule, "trigger rule", {
        AllSuccess = "all_success",
        AllFailed = "all_failed",
        AllDone = "all_done",
        AllDoneMinOneSuccess = "all_done_min_one_success",
        AllDoneSetupSuccess = "all_done_setup_success",
        OneSuccess = "one_success",
        OneFailed = "one_failed",
        OneDone = "one_done",
        NoneFailed = "none_failed",
        NoneFailedMinOneSuccess = "none_failed_min_one_success",
        NoneSkipped = "none_skipped",
        AllSkipped = "all_skipped",
        Always = "always",
    }
}

names! {
    WeightRule, "weight rule", {
        Downstream = "downstream",
        Upstream = "upstream",
        Absolute = "absolute",
    }
}
