//! What can be measured.

use anyhow::Result;
use clap::ValueEnum;

use crate::chain::Row;
use crate::{Bench, Measured, chain, history, idle, large, many, schedulers, sensors, soak, tenants, trigger};

/// What is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// 50 tasks that do nothing, one after the other.
    Chain,
    /// One, then 1,000 side by side, then one.
    Fanout,
    /// One run of a DAG with 5,000 tasks.
    Wide,
    /// One run of a group that is mapped over 1,000 elements, and one over 100,000.
    Mapped,
    /// 200 runs of 10 tasks at once.
    Runs,
    /// 100 DAGs of 10 tasks in a row, 10 of 100 in a row, 100 binary trees of 10, each at once.
    Scenes,
    /// Runs of one task, one after the other.
    Trigger,
    /// The first run after a start.
    Cold,
    /// 100,000 DAGs with a daily schedule, none of them due.
    Idle,
    /// 100,000 tasks that wait for an event.
    Sensors,
    /// Chains and triggers before and after 10,000,000 finished instances.
    History,
    /// Triggers of one tenant while another floods the server.
    Tenants,
    /// An hour's steady load.
    Soak,
    /// 1, 2 and 3 schedulers on PostgreSQL.
    Schedulers,
}

impl Profile {
    pub async fn measure(self, bench: &Bench) -> Result<Measured> {
        match self {
            Self::Chain => chain::measure(bench, &Row::chain(50)).await,
            Self::Fanout => chain::measure(bench, &Row::fanout(1_000)).await,
            Self::Wide => large::wide(bench).await,
            Self::Mapped => large::mapped(bench).await,
            Self::Runs => many::runs(bench).await,
            Self::Scenes => many::scenes(bench).await,
            Self::Trigger => trigger::measure(bench).await,
            Self::Cold => trigger::cold(bench).await,
            Self::Idle => idle::measure(bench).await,
            Self::Sensors => sensors::measure(bench).await,
            Self::History => history::measure(bench).await,
            Self::Tenants => tenants::measure(bench).await,
            Self::Soak => soak::measure(bench).await,
            Self::Schedulers => schedulers::measure(bench).await,
        }
    }
}
