//! How long a tenant's records are kept.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::state::{UnknownName, names};

names! {
    /// What can be cleaned away, by the names of Airflow's tables and in the order in which it goes: what is used by something
    /// else comes after it.
    CleanTable, "table that can be cleaned", {
        /// Runs that ended before the moment, with their task instances, tries, XComs and logs.
        DagRun = "dag_run",
        /// All tries but the last of finished runs' instances that ended before the moment, with their logs.
        TaskInstanceHistory = "task_instance_history",
        /// XComs of finished runs that were pushed before the moment.
        XCom = "xcom",
        /// Backfills that were completed before the moment; their runs are runs like any others.
        Backfill = "backfill",
        /// Events of assets.
        AssetEvent = "asset_event",
        /// Versions of DAGs that no run is of any more.
        DagVersion = "dag_version",
        /// The record of who did what.
        Log = "log",
    }
}

/// What a tenant's policy says of retention. Nothing goes by itself unless it is said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// How many days the records of a table are kept. What is not named is kept for good.
    pub days: BTreeMap<CleanTable, u32>,
    /// Whether what goes is archived first.
    pub archive: bool,
}

impl Retention {
    /// What is to go at `now`: each table with the moment before which it is cleaned, in the order in which it goes.
    pub fn due(&self, now: DateTime<Utc>) -> impl Iterator<Item = (CleanTable, DateTime<Utc>)> {
        let before = move |days: &u32| now.checked_sub_signed(TimeDelta::days(i64::from(*days)));
        self.days.iter().filter_map(move |(table, days)| Some((*table, before(days)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_said_is_due() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        assert_eq!(Retention::default().due(now).count(), 0);
        let retention: Retention = serde_json::from_str(r#"{"days": {"log": 90, "dag_run": 28}}"#).unwrap();
        let due: Vec<_> = retention.due(now).collect();
        let days = TimeDelta::days;
        assert_eq!(due, [(CleanTable::DagRun, now - days(28)), (CleanTable::Log, now - days(90))]);
        assert!(serde_json::from_str::<Retention>(r#"{"days": {"dag": 1}}"#).is_err());
    }
}
