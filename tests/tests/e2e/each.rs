//! Each scenario on each store.

use airlock_tests::Database;

/// Makes a test of a scenario, which is `async fn(database) -> anyhow::Result<()>`, on every database that servers run on.
macro_rules! on_each {
    ($($scenario:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $scenario() -> anyhow::Result<()> {
                super::$scenario(airlock_tests::Database::Sqlite).await
            })+
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $scenario() -> anyhow::Result<()> {
                super::$scenario(airlock_tests::Database::Postgres).await
            })+
        }
    };
}
pub(crate) use on_each;

/// One process on a file of its own does not wait for the leases of the process before it; processes that share a database do.
pub const fn lease(database: Database) -> &'static str {
    match database {
        Database::Sqlite => "600",
        Database::Postgres => "3",
    }
}
