//! Wake-ups from one process to another.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use airlock_store::wake::{Signal, Wake};
use airlock_store_postgres::{Channel, PostgresOptions, PostgresStore};
use airlock_test_services::Database;
use sqlx::{Connection, PgConnection};

const PATIENCE: Duration = Duration::from_secs(60);

/// A process that waits for these kinds.
async fn process(database: &Database, heard: &'static [Channel]) -> Wake {
    let store = PostgresStore::connect(database.url(), &PostgresOptions::default()).await.unwrap();
    let wake = Wake::default();
    let relayed = wake.clone();
    tokio::spawn(async move { store.relay_wake_ups(&relayed, heard).await });
    wake
}

async fn raised(signal: &Signal) {
    tokio::time::timeout(PATIENCE, signal.raised()).await.unwrap();
}

#[tokio::test]
async fn a_wake_up_reaches_whoever_waits_for_its_kind() {
    let database = airlock_test_services::postgres().unwrap();
    let api = process(&database, &[]).await;
    let scheduler = process(&database, &[Channel::Runs, Channel::Reports]).await;
    let worker = process(&database, &[Channel::Queue, Channel::Callbacks]).await;
    // Whoever begins to listen is woken once: it may have missed something.
    for signal in [scheduler.runs(), scheduler.reports(), worker.queue(), worker.callbacks()] {
        raised(signal).await;
    }

    api.runs().raise();
    raised(scheduler.runs()).await;
    scheduler.queue().raise();
    raised(worker.queue()).await;
    scheduler.callbacks().raise();
    raised(worker.callbacks()).await;
    worker.reports().raise();
    raised(scheduler.reports()).await;
}

#[tokio::test]
async fn a_listener_that_lost_its_connection_listens_again() {
    let database = airlock_test_services::postgres().unwrap();
    let worker = process(&database, &[Channel::Queue]).await;
    raised(worker.queue()).await;
    let mut raw = PgConnection::connect(database.url()).await.unwrap();
    let everybody = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()";
    sqlx::query(everybody).execute(&mut raw).await.unwrap();

    raised(worker.queue()).await;
    let scheduler = process(&database, &[Channel::Runs]).await;
    scheduler.queue().raise();
    raised(worker.queue()).await;
}

#[tokio::test]
async fn a_restart_of_the_database_fails_no_call_that_comes_after_it() {
    let server = airlock_test_services::start_postgres().unwrap();
    let database = airlock_test_services::postgres_on(&server).unwrap();
    let store = Arc::new(PostgresStore::connect(database.url(), &PostgresOptions::default()).await.unwrap());
    let wake = Wake::default();
    let (relaying, relayed) = (store.clone(), wake.clone());
    tokio::spawn(async move { relaying.relay_wake_ups(&relayed, &[Channel::Queue]).await });
    raised(wake.queue()).await;
    for signal in ["INT", "QUIT"] {
        let several = (0..5).map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.time().await })
        });
        for one in several.collect::<Vec<_>>() {
            one.await.unwrap().unwrap();
        }
        server.restart(signal).unwrap();
        // It listens again: the server is back.
        raised(wake.queue()).await;

        for _ in 0..10 {
            store.time().await.unwrap();
        }
    }
}
