//! From the request that triggers a run of one task to its success.

use std::process::{Command, Stdio};
use std::time::Instant;

use airlock_tests::Api;
use anyhow::{Result, bail};
use chrono::Utc;
use serde_json::{Map, Value, json};

use crate::figures::{instant, milliseconds, quantile, rounded};
use crate::{Bench, DAG, Measured};

/// The DAG of one task that several profiles trigger beside what they are about.
pub const ONLY: &str = "only";
const RUNS: usize = 200;
const STARTS: usize = 5;

/// What a run of one task goes through, by what each stage ends with.
const STAGES: [&str; 6] = ["triggered", "taken", "queued", "claimed", "ended", "settled"];

/// What runs of one task have taken, one after the other.
#[derive(Default)]
pub struct Latencies {
    requests: Vec<f64>,
    successes: Vec<f64>,
    stages: [Vec<f64>; STAGES.len()],
}

impl Latencies {
    /// Of runs of the DAG [`ONLY`], which [`apply`] has made.
    pub async fn of(api: &Api, runs: usize) -> Result<Self> {
        let mut latencies = Self::default();
        for number in 0..=runs {
            let (asked, triggered) = (Instant::now(), Utc::now());
            let run = api.trigger(ONLY, json!({})).await?;
            let answered = asked.elapsed();
            let state = api.finished(ONLY, &run).await?;
            if state != "success" {
                bail!("the run {run} ended as {state}");
            }
            let path = format!("/api/v2/dags/{ONLY}/dagRuns/{run}");
            let (run, task) = (api.get(&path).await?, api.get(&format!("{path}/taskInstances/{ONLY}")).await?);
            let ended = instant(&run["end_date"])?;
            // The first one finds nothing ready.
            if number == 0 {
                continue;
            }
            latencies.requests.push(answered.as_secs_f64() * 1e3);
            latencies.successes.push(milliseconds(triggered, ended));
            let ends = [
                &run["queued_at"],
                &run["start_date"],
                &task["queued_when"],
                &task["start_date"],
                &task["end_date"],
                &run["end_date"],
            ];
            let mut before = triggered;
            for (stage, end) in latencies.stages.iter_mut().zip(ends) {
                let end = instant(end)?;
                stage.push(milliseconds(before, end));
                before = end;
            }
        }
        Ok(latencies)
    }

    pub fn median(&self) -> Result<f64> {
        quantile(&self.successes, 0.5)
    }

    pub fn figures(&self) -> Result<Value> {
        let mut stages = Map::new();
        for (stage, taken) in STAGES.iter().zip(&self.stages) {
            stages.insert((*stage).to_owned(), json!(rounded(quantile(taken, 0.5)?)));
        }
        Ok(json!({
            "runs": self.successes.len(),
            "stages_ms_median": stages,
            "request_ms_median": rounded(quantile(&self.requests, 0.5)?),
            "success_ms_median": rounded(self.median()?),
            "success_ms_p99": rounded(quantile(&self.successes, 0.99)?),
        }))
    }
}

/// Makes the DAG [`ONLY`].
pub async fn apply(api: &Api) -> Result<()> {
    api.push("empty").await?;
    api.apply(&json!({ "dag_id": ONLY, "tasks": [{ "task_id": ONLY, "operator": "empty" }] })).await.map(drop)
}

/// One run after the other on an idle server.
pub async fn measure(bench: &Bench) -> Result<Measured> {
    let server = bench.server()?;
    let api = server.api()?;
    apply(&api).await?;
    let latencies = Latencies::of(&api, RUNS).await?;
    let ratios = json!({ "success_to_floor": bench.floor.times(latencies.median()?) });
    Ok(Measured { figures: latencies.figures()?, ratios })
}

/// From the start of the processes to the success of the first run, on a database and compiled modules that are there.
pub async fn cold(bench: &Bench) -> Result<Measured> {
    let mut server = bench.server()?;
    let api = server.api()?;
    api.push("empty").await?;
    api.apply(&json!({ "dag_id": DAG, "tasks": [{ "task_id": "only", "operator": "empty" }] })).await?;
    let run = api.trigger(DAG, json!({})).await?;
    api.finished(DAG, &run).await?;
    let (mut starts, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        server.kill_all()?;
        let asked = Instant::now();
        server.start_again()?;
        let api = server.api()?;
        let run = api.trigger(DAG, json!({})).await?;
        let state = api.finished(DAG, &run).await?;
        if state != "success" {
            bail!("the run {run} ended as {state}");
        }
        starts.push(asked.elapsed().as_secs_f64() * 1e3);
        let asked = Instant::now();
        Command::new(bench.programs.join("airlock")).arg("--version").stdout(Stdio::null()).status()?;
        bare.push(asked.elapsed().as_secs_f64() * 1e3);
    }
    let (start, bare) = (quantile(&starts, 0.5)?, quantile(&bare, 0.5)?);
    Ok(Measured {
        figures: json!({
            "starts": STARTS,
            "start_to_success_ms_median": rounded(start),
            "bare_process_ms_median": rounded(bare),
        }),
        ratios: json!({ "start_to_bare_process": rounded(start / bare) }),
    })
}
