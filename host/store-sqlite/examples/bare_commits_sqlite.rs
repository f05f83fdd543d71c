//! How many transactions of one row this machine's SQLite commits in a second, as the store sets it up. `cargo xtask load` sets it
//! beside what a try costs in Airlock. Prints one JSON object.

use std::time::Instant;

use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};

const COMMITS: u32 = 10_000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = std::env::args().nth(1).ok_or("the file is missing")?;
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    sqlx::query("create table floor (id integer primary key, text text not null)").execute(&mut connection).await?;
    let started = Instant::now();
    for _ in 0..COMMITS {
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query("insert into floor (text) values ('a row')").execute(&mut *transaction).await?;
        transaction.commit().await?;
    }
    let each = started.elapsed().as_secs_f64() / f64::from(COMMITS);
    println!(
        "{{\"commits\": {COMMITS}, \"microseconds_per_commit\": {:.3}, \"commits_per_second\": {:.0}}}",
        each * 1e6,
        1.0 / each
    );
    Ok(())
}
