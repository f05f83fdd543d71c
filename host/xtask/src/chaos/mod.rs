//! `cargo xtask chaos`: real processes on a real database, killed, stopped and cut off at random under load; then the database is
//! held against what must always be true.

mod audit;
mod dags;
mod dice;
mod faults;
mod fleet;
mod load;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use airlock_test_services::{Server as DatabaseServer, postgres_on, start_postgres};
use airlock_tests::Server;
use anyhow::{Context, Result, bail};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::{build, guests, process, setup};
use dice::Dice;
use faults::Faults;
use fleet::Fleet;
use load::Load;

/// Short, so that much happens in little time.
const LEASE: Duration = Duration::from_secs(3);
const SETTINGS: &[(&str, &str)] =
    &[("lease", "3"), ("grace", "3"), ("worker_slots", "8"), ("log", "info"), ("retention_interval", "3600")];
/// How long everything may take to end once nothing goes wrong any more: looks of triggers have leases of a minute.
const DRAIN: Duration = Duration::from_secs(180);
/// How often the processes are looked after.
const BEAT: Duration = Duration::from_millis(50);

pub fn run(seconds: u64, seed: Option<u64>, release: bool) -> Result<()> {
    setup::test()?;
    guests::build_operators(crate::root())?;
    let binary = build::binary(release)?;
    let seed = seed.unwrap_or_else(|| u64::from(chrono::Utc::now().timestamp_subsec_nanos()));
    println!(
        "seed {seed}: `cargo xtask chaos --seconds {seconds} --seed {seed}` lets the same go wrong again, in the same order"
    );

    let postgres = start_postgres()?;
    let database = postgres_on(&postgres)?;
    let url = database.url().to_owned();
    let server = Server::prepare(&binary, Some(database), SETTINGS)?;
    let runtime = tokio::runtime::Runtime::new()?;
    let verdict = runtime.block_on(chaos(server, &postgres, &url, seconds, seed))?;
    println!("{} passed, {} failed", verdict.passed, verdict.failed);
    if verdict.failed > 0 {
        bail!("not every invariant held");
    }
    Ok(())
}

async fn chaos(
    server: Server,
    postgres: &DatabaseServer,
    url: &str,
    seconds: u64,
    seed: u64,
) -> Result<audit::Verdict> {
    let address = url.split(['@', '/']).nth(3).context("the address of the database")?.parse()?;
    let database = PgPool::connect(url).await?;
    let mut fleet = Fleet::new(server, url, address).await?;
    let mut dice = Dice::new(seed);
    let load = begin(&mut fleet, &database).await?;

    println!("faults and load for {seconds} s");
    let mut faults = Faults::new(dice.split(), LEASE, postgres, database.clone());
    let over = CancellationToken::new();
    let asking = {
        let (load, over) = (load.clone(), over.clone());
        tokio::spawn(async move { load.run(&mut dice, &over).await })
    };
    let end = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < end {
        faults.tend(&mut fleet).await?;
        fleet.tend()?;
        tokio::time::sleep(BEAT).await;
    }
    over.cancel();
    faults.end(&mut fleet)?;
    println!("no more faults");
    asking.await?;
    drain(&mut fleet, &load, &database).await?;
    fleet.stop()?;

    println!("\ninjected:");
    faults.injected.iter().for_each(|((fault, role), count)| println!("{count:6}  {fault} ({role})"));
    println!("asked for and answered:");
    load.counts().iter().for_each(|(kind, count)| println!("{count:6}  {kind}"));
    tell_counts(&database).await?;
    let verdict = audit::audit(&database, &fleet, &faults).await?;
    if verdict.failed > 0 {
        let folder = keep(&fleet, url, seed)?;
        println!("the database and the logs of the processes are in {}", folder.display());
    }
    Ok(verdict)
}

/// Starts everybody, and gives them something to do.
async fn begin(fleet: &mut Fleet, database: &PgPool) -> Result<Load> {
    sqlx::raw_sql(include_str!("witness.sql")).execute(database).await?;
    for dag in dags::all() {
        let id = dag["dag_id"].as_str().context("no id")?.to_owned();
        if let (Some(runs), Some(tasks)) = (dag["max_active_runs"].as_i64(), dag["max_active_tasks"].as_i64()) {
            let limits =
                sqlx::query("INSERT INTO chaos.dag_limits VALUES ($1, $2, $3)").bind(&id).bind(runs).bind(tasks);
            limits.execute(database).await?;
        }
        for task in dag["tasks"].as_array().into_iter().flatten() {
            let Some(limit) = task["max_active_tis_per_dag"].as_i64() else { continue };
            let limits = sqlx::query("INSERT INTO chaos.task_limits VALUES ($1, $2, $3)");
            limits.bind(&id).bind(task["task_id"].as_str()).bind(limit).execute(database).await?;
        }
    }
    for (dag, task, upstream) in dags::edges(&dags::all()) {
        let edge = sqlx::query("INSERT INTO chaos.edges VALUES ($1, $2, $3)").bind(dag).bind(task).bind(upstream);
        edge.execute(database).await?;
    }
    let patience = Instant::now() + DRAIN;
    let token = loop {
        fleet.tend()?;
        if let Some(token) = fleet.token()? {
            break token;
        }
        if Instant::now() > patience {
            bail!("no API has started; the logs are in {}", fleet.home().display());
        }
        tokio::time::sleep(BEAT).await;
    };
    // Both listen before anything is asked of them.
    for url in fleet.urls() {
        let address = url.trim_start_matches("http://").to_owned();
        while tokio::net::TcpStream::connect(&address).await.is_err() {
            fleet.tend()?;
            tokio::time::sleep(BEAT).await;
        }
    }
    Load::prepare(&fleet.urls(), &token, database.clone(), fleet.home()).await
}

/// Waits until everything has ended, or would not end.
async fn drain(fleet: &mut Fleet, load: &Load, database: &PgPool) -> Result<()> {
    let began = Instant::now();
    while began.elapsed() < DRAIN {
        fleet.tend()?;
        load.post_events().await;
        let left: i64 = sqlx::query_scalar(
            "SELECT (SELECT count(*) FROM active_runs) + (SELECT count(*) FROM callbacks WHERE ended_at IS NULL)
                 + (SELECT count(*) FROM backfills WHERE completed_at IS NULL)",
        )
        .fetch_one(database)
        .await?;
        if left == 0 {
            println!("everything has ended {:.1} s after the last fault", began.elapsed().as_secs_f64());
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    println!("not everything has ended {DRAIN:?} after the last fault");
    Ok(())
}

async fn tell_counts(database: &PgPool) -> Result<()> {
    let counts: Vec<(String, i64)> = sqlx::query_as(
        "SELECT 'runs', count(*) FROM dag_runs UNION ALL SELECT 'tries', count(*) FROM task_tries
         UNION ALL SELECT 'changes of state', count(*) FROM chaos.moves
         UNION ALL SELECT 'claims', count(*) FROM chaos.claims
         UNION ALL SELECT 'claims handed back', count(*) FROM chaos.claims WHERE put_back
         UNION ALL SELECT 'heartbeats refused', CASE WHEN is_called THEN last_value ELSE 0 END FROM chaos.refused
         UNION ALL SELECT 'tries that outlived a lease', count(*) FROM task_tries WHERE ended_at - started_at > interval '3 seconds'
         UNION ALL SELECT 'lost tries', count(*) FROM task_tries WHERE cause = 'lost'
         UNION ALL SELECT 'late results in histories', coalesce(sum(late_results), 0)::bigint FROM task_tries
         UNION ALL SELECT 'callbacks', count(*) FROM callbacks",
    )
    .fetch_all(database)
    .await?;
    println!("in the database:");
    counts.iter().for_each(|(what, count)| println!("{count:6}  {what}"));
    println!();
    Ok(())
}

/// What is needed to find out what happened.
fn keep(fleet: &Fleet, url: &str, seed: u64) -> Result<PathBuf> {
    let folder = crate::target().join(format!("chaos-{seed}"));
    std::fs::create_dir_all(&folder)?;
    for member in &fleet.members {
        let log = fleet.log_file(member);
        std::fs::copy(&log, folder.join(log.file_name().context("a log has a name")?))?;
    }
    process::run(process::command("pg_dump").arg("--file").arg(folder.join("database.sql")).arg(url))?;
    Ok(folder)
}
