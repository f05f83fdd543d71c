//! What very many finished instances cost those that come after them.

use std::time::Instant;

use airlock_tests::{Api, Server};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection, SqliteConnection};

use crate::chain::{Row, Runs};
use crate::figures::{quantile, rounded};
use crate::trigger::{self, Latencies};
use crate::{Bench, DAG, Measured, Store};

const INSTANCES: usize = 10_000_000;
/// The chain's tasks, and the one of the DAG that is triggered: what each made minute has.
const INSTANCES_PER_MINUTE: usize = LENGTH + 1;
const LENGTH: usize = 10;
const RUNS: usize = 100;
const CHAINS: usize = 20;
/// Minutes that are made in a transaction.
const BATCH: usize = 10_000;

const SQLITE: &str = include_str!("history_sqlite.sql");
const POSTGRES: &str = include_str!("history_postgres.sql");

/// A chain and a trigger on an empty database; then both again, of the same DAGs, after years of runs of both.
pub async fn measure(bench: &Bench) -> Result<Measured> {
    let mut server = bench.server()?;
    let api = server.api()?;
    trigger::apply(&api).await?;
    let row = Row::chain(LENGTH);
    row.apply(&api, DAG).await?;
    let young = Sample::of(&api, &row).await?;

    server.kill_all()?;
    let minutes = bench.instances.unwrap_or(INSTANCES) / INSTANCES_PER_MINUTE;
    let asked = Instant::now();
    match bench.store {
        Store::Sqlite => fill_sqlite(&server, minutes).await?,
        Store::Postgres => fill_postgres(server.database_url()?, minutes).await?,
    }
    let filled = asked.elapsed();
    server.start_again()?;
    let api = server.api()?;
    let old = Sample::of(&api, &row).await?;
    Ok(Measured {
        figures: json!({
            "finished_instances": minutes * INSTANCES_PER_MINUTE,
            "fill_seconds": rounded(filled.as_secs_f64()),
            "before": young.figures()?,
            "after": old.figures()?,
        }),
        ratios: json!({
            "gap_after_to_before": rounded(young.gap()?.recip() * old.gap()?),
            "trigger_after_to_before": rounded(old.latencies.median()? / young.latencies.median()?),
            "last_runs_after_to_before": rounded(old.page_ms / young.page_ms),
        }),
    })
}

struct Sample {
    chain: Runs,
    latencies: Latencies,
    page_ms: f64,
}

impl Sample {
    async fn of(api: &Api, row: &Row) -> Result<Self> {
        Runs::of(api, DAG, row, 1).await?;
        let chain = Runs::of(api, DAG, row, CHAINS).await?;
        let latencies = Latencies::of(api, RUNS).await?;
        let asked = Instant::now();
        api.get(&format!("/api/v2/dags/{DAG}/dagRuns?limit=25&order_by=-run_after")).await?;
        Ok(Self { chain, latencies, page_ms: asked.elapsed().as_secs_f64() * 1e3 })
    }

    fn gap(&self) -> Result<f64> {
        quantile(&self.chain.gaps, 0.5)
    }

    fn figures(&self) -> Result<Value> {
        Ok(json!({
            "chain_gap_ms_median": rounded(self.gap()?),
            "chain_gap_ms_p99": rounded(quantile(&self.chain.gaps, 0.99)?),
            "trigger": self.latencies.figures()?,
            "page_of_last_runs_ms": rounded(self.page_ms),
        }))
    }
}

/// First and last minute of each batch.
fn batches(minutes: usize) -> impl Iterator<Item = Result<(i64, i64)>> {
    (0..minutes)
        .step_by(BATCH)
        .map(move |first| Ok((i64::try_from(first)?, i64::try_from((first + BATCH).min(minutes))? - 1)))
}

async fn fill_sqlite(server: &Server, minutes: usize) -> Result<()> {
    let file = server.home().join("airlock.db");
    let mut connection = SqliteConnection::connect(&format!("sqlite://{}", file.display())).await?;
    for batch in batches(minutes) {
        let (first, last) = batch?;
        let mut transaction = connection.begin().await?;
        for statement in statements(SQLITE) {
            let query = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(first).bind(last);
            query.execute(&mut *transaction).await.with_context(|| format!("minutes {first} to {last}"))?;
        }
        transaction.commit().await?;
    }
    connection.close().await.map_err(Into::into)
}

async fn fill_postgres(url: &str, minutes: usize) -> Result<()> {
    let mut connection = PgConnection::connect(url).await?;
    for batch in batches(minutes) {
        let (first, last) = batch?;
        let mut transaction = connection.begin().await?;
        for statement in statements(POSTGRES) {
            let query = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(first).bind(last);
            query.execute(&mut *transaction).await.with_context(|| format!("minutes {first} to {last}"))?;
        }
        transaction.commit().await?;
    }
    // As the server's own would have done over such a time.
    sqlx::query("vacuum analyze").execute(&mut connection).await?;
    connection.close().await.map_err(Into::into)
}

fn statements(script: &'static str) -> impl Iterator<Item = &'static str> {
    script.split(';').map(str::trim).filter(|statement| !statement.is_empty())
}
