//! Each scenario on each store.

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
