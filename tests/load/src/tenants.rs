//! What one tenant feels of another.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use airlock_tests::Api;
use anyhow::{Context, Result};
use futures::future::try_join_all;
use serde_json::json;

use crate::chain::Row;
use crate::figures::rounded;
use crate::trigger::{self, Latencies};
use crate::{Bench, DAG, Measured};

const RUNS: usize = 200;
/// Runs of a thousand tasks that the other tenant has under way all the time.
const FLOODING: usize = 8;

/// Triggers on an idle server, then beside a flood of another tenant's.
pub async fn measure(bench: &Bench) -> Result<Measured> {
    let server = bench.server()?;
    let flooder = server.api()?;
    let made = flooder.post("/api/v2/tenants", &json!({ "name": "other", "admin": { "username": "admin" } })).await?;
    let modest = flooder.login("other/admin", made["admin"]["password"].as_str().context("no password")?).await?;
    trigger::apply(&modest).await?;
    let flood = Row::fanout(1_000);
    flooder.push("empty").await?;
    flooder.patch("/api/v2/pools/default_pool", &json!({ "slots": 100_000 })).await?;
    flood.apply(&flooder, DAG).await?;

    let alone = Latencies::of(&modest, RUNS).await?;
    let ended = Arc::new(AtomicUsize::new(0));
    let begun = Instant::now();
    let floods = try_join_all((0..FLOODING).map(|_| keep_flooding(flooder.clone(), Arc::clone(&ended))));
    // The flood ends with what it is measured beside.
    let beside = tokio::select! {
        beside = Latencies::of(&modest, RUNS) => beside?,
        stopped = floods => stopped.map(|_: Vec<()>| Latencies::default())?,
    };
    let flooded = (ended.load(Ordering::Relaxed) * flood.len()) as f64 / begun.elapsed().as_secs_f64();
    Ok(Measured {
        figures: json!({
            "alone": alone.figures()?,
            "beside_a_flood": beside.figures()?,
            "flooding_runs": FLOODING,
            "flood_tasks_per_second": rounded(flooded),
        }),
        ratios: json!({ "trigger_beside_to_alone": rounded(beside.median()? / alone.median()?) }),
    })
}

/// One run after the other, for ever.
async fn keep_flooding(api: Api, ended: Arc<AtomicUsize>) -> Result<()> {
    loop {
        let run = api.trigger(DAG, json!({})).await?;
        api.finished(DAG, &run).await?;
        ended.fetch_add(1, Ordering::Relaxed);
    }
}
