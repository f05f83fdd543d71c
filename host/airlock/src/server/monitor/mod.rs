//! What a process says of itself to those who watch it: `/metrics`, `/healthz` and `/readyz`.
//!
//! They have a listener of their own where `listen_monitor` names one. Where the API is served, `/healthz` and `/readyz` are on its
//! address too, for they say nothing that is anybody's, and `/metrics` is there for the platform's administrators: what a whole
//! installation does is no tenant's business.

mod gauges;
mod probes;
mod recorder;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use airlock_api::MetricsSource;
use airlock_telemetry::Pulse;
use anyhow::Result;
use async_trait::async_trait;
use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio_util::sync::CancellationToken;

use super::listen::Listener;
use super::parts::Parts;
use crate::config::Config;

use gauges::Gauges;
use probes::Probes;

/// Shared by cloning.
#[derive(Clone)]
pub struct Monitor(Arc<Inner>);

struct Inner {
    parts: Parts,
    recorder: PrometheusHandle,
    gauges: Gauges,
    probes: Probes,
    pulses: Mutex<Vec<Pulse>>,
    stop: CancellationToken,
    /// How long a part may fail before the process counts as not ready.
    lease: Duration,
}

impl Monitor {
    /// Begins to measure. Handles of metrics that were taken before are for nothing.
    pub fn start(parts: &Parts, config: &Config, stop: CancellationToken) -> Result<Self> {
        let recorder = recorder::install()?;
        let upkeep = recorder.clone();
        tokio::spawn(async move {
            // What is observed waits in memory for a scrape, which may never come.
            let mut every = tokio::time::interval(Duration::from_secs(5));
            loop {
                every.tick().await;
                upkeep.run_upkeep();
            }
        });
        Ok(Self(Arc::new(Inner {
            parts: parts.clone(),
            recorder,
            gauges: Gauges::default(),
            probes: Probes::default(),
            pulses: Mutex::default(),
            stop,
            lease: config.lease()?,
        })))
    }

    /// Counts these loops into the process's health.
    pub fn watch(&self, pulses: impl IntoIterator<Item = Pulse>) {
        self.0.pulses.lock().unwrap_or_else(PoisonError::into_inner).extend(pulses);
    }

    /// From now on the gauges of the whole installation are answered here.
    pub fn answer_for_all(&self) {
        self.0.gauges.answer_for_all();
    }

    /// `/healthz` and `/readyz`.
    pub fn probes(&self) -> Router {
        Router::new()
            .route("/healthz", get(probes::healthz))
            .route("/readyz", get(probes::readyz))
            .with_state(self.clone())
    }

    /// Listens where the configuration says, until the process ends: while roles stop, whoever asks is to hear that they do.
    pub async fn listen(&self, config: &Config) -> Result<()> {
        let Some(address) = config.listen_monitor()? else { return Ok(()) };
        let listener = Listener::bind(address).await?;
        tracing::info!("metrics and health are on {}", listener.url());
        let router = self.probes().merge(Router::new().route("/metrics", get(metrics)).with_state(self.clone()));
        tokio::spawn(async move {
            if let Err(error) = listener.serve(router, CancellationToken::new()).await {
                tracing::error!("metrics and health are not answered any more: {error:#}");
            }
        });
        Ok(())
    }

    fn pulses(&self) -> Vec<Pulse> {
        self.0.pulses.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl MetricsSource for Monitor {
    async fn text(&self) -> String {
        self.0.gauges.refresh(&self.0.parts).await;
        self.0.recorder.render()
    }
}

async fn metrics(State(monitor): State<Monitor>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, airlock_api::PROMETHEUS_TEXT)], monitor.text().await)
}
