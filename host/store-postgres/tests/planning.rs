//! What the planner makes of statements on a database that has just been made.

#![expect(clippy::unwrap_used, reason = "tests")]

use airlock_core::id::TenantId;
use airlock_store::conformance::throughput::measure;
use airlock_store::instances::Instances;
use airlock_store::xcoms::XComs;
use airlock_store_postgres::{PostgresOptions, PostgresStore};
use sqlx::{Connection, PgConnection};

/// Rows that PostgreSQL has read in this database, by whatever plan, of the tables that every task goes through.
async fn rows_read(connection: &mut PgConnection) -> i64 {
    // Sessions add to the statistics when they end.
    let sessions = "SELECT count(*) FROM pg_stat_activity
                    WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()";
    while sqlx::query_scalar::<_, i64>(sessions).fetch_one(&mut *connection).await.unwrap() > 0 {
        tokio::task::yield_now().await;
    }
    let read = "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint FROM pg_stat_user_tables
                WHERE relname IN ('dag_runs', 'active_runs', 'task_instances', 'task_tries', 'queue', 'xcoms')";
    sqlx::query_scalar(read).fetch_one(connection).await.unwrap()
}

/// A plan for the first tasks, of which there is one at a time, is used for the batches that follow.
#[tokio::test]
async fn a_batch_reads_rows_in_proportion_to_its_size_however_young_the_database_is() {
    let database = airlock_test_services::postgres().unwrap();
    let store = PostgresStore::connect(database.url(), &PostgresOptions::default()).await.unwrap();
    store.migrate().await.unwrap();
    measure(&store, 1, 10).await;
    let (size, rounds) = (300, 3);
    measure(&store, size, rounds).await;
    store.close().await;

    let mut raw = PgConnection::connect(database.url()).await.unwrap();
    let read = rows_read(&mut raw).await;
    let tries = (size * (rounds + 1)) as i64;
    assert!(read < 40 * tries, "{} rows were read for each of {tries} tries", read / tries);

    let push = "INSERT INTO xcoms (tenant_id, run_key, task_id, map_index, key, value, pushed_at)
                SELECT tenant_id, run_key, task_id, map_index, 'return_value', '1', now() FROM task_instances";
    sqlx::query(push).execute(&mut raw).await.unwrap();
    let read = rows_read(&mut raw).await;
    let store = PostgresStore::connect(database.url(), &PostgresOptions::default()).await.unwrap();
    let looks = 50;
    for _ in 0..looks {
        let one = "SELECT tenant_id, dag_id, run_id, task_id FROM task_instances JOIN dag_runs USING (tenant_id, run_key) LIMIT 1";
        let (tenant, dag_id, run_id, task_id): (i64, String, String, String) =
            sqlx::query_as(one).fetch_one(&mut raw).await.unwrap();
        let tenant = TenantId(tenant);
        assert!(store.instance(tenant, &dag_id, &run_id, &task_id, -1).await.unwrap().is_some());
        assert!(store.xcom(tenant, &dag_id, &run_id, &task_id, -1, "return_value").await.unwrap().is_some());
    }
    store.close().await;
    let read = rows_read(&mut raw).await - read;
    assert!(read < 10 * looks, "{} rows were read for each of {looks} looks at one instance", read / looks);
    raw.close().await.unwrap();
}

/// Rows leave the queue as fast as they come, and what they leave in its indexes is there until the next vacuum.
#[tokio::test]
async fn what_has_left_the_queue_is_not_read_again_and_again() {
    let database = airlock_test_services::postgres().unwrap();
    let store = PostgresStore::connect(database.url(), &PostgresOptions::default()).await.unwrap();
    store.migrate().await.unwrap();
    let (size, rounds) = (10, 150);
    measure(&store, size, rounds).await;
    store.close().await;

    let mut raw = PgConnection::connect(database.url()).await.unwrap();
    let entries = "SELECT sum(idx_tup_read)::bigint FROM pg_stat_user_indexes WHERE relname = 'queue'";
    rows_read(&mut raw).await;
    let read: i64 = sqlx::query_scalar(entries).fetch_one(&mut raw).await.unwrap();
    let tries = (size * rounds) as i64;
    assert!(read < 60 * tries, "{} entries of indexes were read for each of {tries} tries", read / tries);
    raw.close().await.unwrap();
}
