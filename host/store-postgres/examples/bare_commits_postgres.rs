//! How many transactions of one row this machine's PostgreSQL commits in a second over one connection. `cargo xtask load` sets it
//! beside what a try costs in Airlock. Prints one JSON object.

use std::time::Instant;

use sqlx::Connection;
use sqlx::postgres::PgConnection;

const COMMITS: u32 = 5_000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).ok_or("the URL is missing")?;
    let mut connection = PgConnection::connect(&url).await?;
    sqlx::query("create table floor (id bigint generated always as identity, text text not null)")
        .execute(&mut connection)
        .await?;
    let started = Instant::now();
    for _ in 0..COMMITS {
        let mut transaction = connection.begin().await?;
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
