//! How much a batch costs on SQLite; measured by hand, because a busy machine says nothing.

#![expect(clippy::unwrap_used, reason = "tests")]

use airlock_store::conformance::throughput::measure;
use airlock_store_sqlite::SqliteStore;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measure, not a test"]
async fn batches() {
    for (size, rounds) in [(1, 2000), (10, 300), (200, 50), (1000, 5)] {
        let store = SqliteStore::in_temporary_folder().await.unwrap();
        let costs = measure(&*store, size, rounds).await;
        let whole = costs.claim + costs.report + costs.commit;
        println!(
            "{size:>5} tries a batch: {costs:?}, {:.0} commits/s, {:.0} tries/s in all, {:.0} us of CPU a try",
            1.0 / costs.commit.as_secs_f64(),
            size as f64 / whole.as_secs_f64(),
            costs.cpu.as_secs_f64() * 1e6 / size as f64
        );
    }
}
