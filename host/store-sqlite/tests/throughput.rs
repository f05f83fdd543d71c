//! How much a batch costs on SQLite; measured by hand, because a busy machine says nothing.

use airlock_store::conformance::throughput::measure;
use airlock_store_sqlite::SqliteStore;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measure, not a test"]
async fn batches() {
    for (size, rounds) in [(1, 2000), (10, 300), (200, 50), (1000, 5)] {
        let store = SqliteStore::in_temporary_folder().await.unwrap();
        println!("{}", measure(&*store, size, rounds).await);
    }
}
