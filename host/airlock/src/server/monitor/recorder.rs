//! Where measurements go.

use airlock_telemetry::METRICS;
use airlock_telemetry::catalogue::{BUILD_INFO, Metric, START_TIME};
use anyhow::{Context, Result};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Makes this process's recorder.
pub fn install() -> Result<PrometheusHandle> {
    let mut builder = PrometheusBuilder::new();
    for metric in METRICS {
        if let Some(buckets) = metric.kind.buckets() {
            builder = builder.set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), buckets)?;
        }
    }
    let handle = builder.install_recorder().context("this process measures already")?;
    Metric::describe_all();
    BUILD_INFO.gauge_of([env!("CARGO_PKG_VERSION")]).set(1.0);
    START_TIME.gauge().set(chrono::Utc::now().timestamp() as f64);
    Ok(handle)
}
