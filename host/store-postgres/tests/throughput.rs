//! How much a batch costs on PostgreSQL; measured by hand, because a busy machine says nothing.

use airlock_store::conformance::throughput::measure;
use airlock_store_postgres::{PostgresOptions, PostgresStore};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measure, not a test"]
async fn batches() {
    for (size, rounds) in [(1, 2000), (10, 300), (200, 50), (1000, 5)] {
        let database = airlock_test_services::postgres().unwrap();
        let store = PostgresStore::connect(database.url(), &PostgresOptions::default()).await.unwrap();
        store.migrate().await.unwrap();
        println!("{}", measure(&store, size, rounds).await);
    }
}
