//! Where the time of a task goes, by the server's own histograms.

use airlock_tests::{Api, Scrape};
use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use crate::figures::rounded;

/// The stages in order, by what is measured and where it ends; see `METRICS.md` of `host/telemetry`.
const STAGES: &[(&str, &str)] = &[
    ("ready to queued", "airflow_task_scheduled_duration"),
    ("queued to claimed", "airflow_task_queued_duration"),
    ("claimed to prepared", "airlock_task_start_seconds"),
    ("in the sandbox", "airlock_task_sandbox_seconds"),
    ("ended to reported", "airlock_task_report_seconds"),
    ("ended to settled", "airlock_task_settle_seconds"),
];

/// What one process counts.
pub struct Stages(Scrape);

impl Stages {
    pub async fn of(api: &Api) -> Result<Self> {
        Scrape::read(&api.text("/metrics").await?).map(Self)
    }

    /// The mean of each stage since `before`, in milliseconds, and how often it was measured.
    pub fn since(&self, before: &Self) -> Result<Value> {
        let mut stages = Map::new();
        for (stage, metric) in STAGES {
            let grown = |part: &str| self.total(metric, part) - before.total(metric, part);
            let (count, sum) = (grown("_count"), grown("_sum"));
            let mean = (count > 0.0).then(|| rounded(sum / count * 1e3));
            stages.insert((*stage).to_owned(), json!({ "mean_ms": mean, "count": count }));
        }
        serde_json::to_value(stages).context("stages are JSON")
    }

    fn total(&self, metric: &str, part: &str) -> f64 {
        self.0.sum(&format!("{metric}{part}"), &[])
    }
}
