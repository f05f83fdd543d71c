//! SQL over SQLite.

use std::sync::Arc;
use std::time::{Duration, Instant};

use airlock_hooks::Options;
use airlock_sandbox::capability::Caller;
use airlock_sandbox::capability::sql::{SqlDialect, SqlError, SqlHook, SqlSession, SqlValue};
use serde_json::json;
use tempfile::TempDir;

use crate::support::*;

struct Place {
    folder: TempDir,
    hooks: airlock_hooks::Hooks,
}

impl Place {
    fn new(options: Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut connection = connection("sqlite");
        connection.info.host = Some(folder.path().join("data.db").to_str().unwrap().to_owned());
        Self { hooks: hooks_with(connection, options), folder }
    }

    fn caller(&self) -> Caller {
        let folders = vec![self.folder.path().to_str().unwrap().to_owned()];
        Caller { host_folders: Arc::new(folders), ..caller() }
    }

    async fn open(&self) -> Box<dyn SqlSession> {
        SqlHook::open(&self.hooks, &self.caller(), "test").await.unwrap()
    }
}

const ENDLESS: &str = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n";

#[tokio::test]
async fn values_go_in_and_come_out() {
    let place = Place::new(Options::default());
    let session = place.open().await;
    assert_eq!(session.dialect(), SqlDialect::Sqlite);
    execute(&*session, "create table t (i integer, f real, s text, b blob, flag boolean, n)").await;
    let insert = "insert into t values (?, ?, ?, ?, ?, ?)";
    let values = vec![
        SqlValue::Integer(i64::MIN),
        SqlValue::Float(0.1),
        text("grüß"),
        SqlValue::Bytes(vec![0, 255]),
        SqlValue::Boolean(true),
        SqlValue::Null,
    ];
    assert_eq!(session.execute(insert.to_owned(), values.clone()).await, Ok(1));
    let found = session.query("select * from t".to_owned(), Vec::new()).await.unwrap();
    let types: Vec<_> = found.columns().iter().map(|column| (&*column.name, &*column.type_name)).collect();
    assert_eq!(types, [("i", "integer"), ("f", "real"), ("s", "text"), ("b", "blob"), ("flag", "boolean"), ("n", "")]);
    drop(found);
    assert_eq!(rows(&*session, "select * from t", &[]).await, [values]);
    assert_eq!(value(&*session, "select ?", &[SqlValue::Decimal("1.50".to_owned())]).await, text("1.50"));
}

#[tokio::test]
async fn what_is_not_committed_is_rolled_back() {
    let place = Place::new(Options::default());
    let session = place.open().await;
    execute(&*session, "create table t (x)").await;
    session.begin().await.unwrap();
    assert!(matches!(session.begin().await, Err(SqlError::Other(_))));
    execute(&*session, "insert into t values (1)").await;
    session.rollback().await.unwrap();
    session.begin().await.unwrap();
    execute(&*session, "insert into t values (2)").await;
    session.commit().await.unwrap();
    assert!(matches!(session.commit().await, Err(SqlError::Other(_))));
    session.begin().await.unwrap();
    execute(&*session, "insert into t values (3)").await;
    drop(session);
    let session = place.open().await;
    assert_eq!(rows(&*session, "select x from t", &[]).await, [[SqlValue::Integer(2)]]);
}

#[tokio::test]
async fn rows_hold_the_session_until_they_are_read_or_dropped() {
    let place = Place::new(Options::default());
    let session = place.open().await;
    let many =
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000) select i, 'row' || i from n";
    let mut open_rows = session.query(many.to_owned(), Vec::new()).await.unwrap();
    assert_eq!(open_rows.next(3, 1 << 20).await.unwrap().len(), 3);
    assert_eq!(open_rows.next(1000, 1).await.unwrap().len(), 1, "one row passes the size that is asked for");
    assert_eq!(session.execute("select 1".to_owned(), Vec::new()).await, Err(SqlError::Busy));
    drop(open_rows);
    assert_eq!(value(&*session, "select 1", &[]).await, SqlValue::Integer(1));

    let mut open_rows = session.query(many.to_owned(), Vec::new()).await.unwrap();
    let mut count = 0;
    loop {
        let some = open_rows.next(500, 1 << 20).await.unwrap();
        assert!(some.len() <= 500);
        if some.is_empty() {
            break;
        }
        count += some.len();
    }
    assert_eq!(count, 20_000);
    assert_eq!(value(&*session, "select 1", &[]).await, SqlValue::Integer(1));
}

#[tokio::test]
async fn rows_outlive_the_handle_of_their_session() {
    let place = Place::new(Options::default());
    let session = place.open().await;
    let mut rows = session.query("select 7".to_owned(), Vec::new()).await.unwrap();
    drop(session);
    assert_eq!(rows.next(10, 100).await.unwrap(), [[SqlValue::Integer(7)]]);
    assert!(rows.next(10, 100).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_statement_that_takes_too_long_ends_and_the_session_goes_on() {
    let place = Place::new(Options { statement_timeout: Duration::from_millis(100), ..Options::default() });
    let session = place.open().await;
    assert_eq!(try_rows(&*session, ENDLESS, &[]).await, Err(SqlError::Timeout));
    assert_eq!(value(&*session, "select 1", &[]).await, SqlValue::Integer(1));
}

/// With one session allowed, the second opens only when the thread of the first has ended.
#[tokio::test]
async fn a_statement_that_nobody_waits_for_is_interrupted() {
    let place = Place::new(Options { sessions_per_connection: 1, ..Options::default() });
    let session = place.open().await;
    let call = tokio::time::timeout(Duration::from_millis(50), try_rows(&*session, ENDLESS, &[]));
    assert!(call.await.is_err());
    drop(session);
    let began = Instant::now();
    place.open().await;
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn statements_that_reach_for_other_files_are_denied() {
    let place = Place::new(Options::default());
    let other = place.folder.path().join("other.db");
    let session = place.open().await;
    for statement in [format!("attach '{}' as x", other.display()), format!("vacuum into '{}'", other.display())] {
        let refusal = session.execute(statement, Vec::new()).await.unwrap_err();
        assert!(matches!(refusal, SqlError::Denied(_)), "{refusal:?}");
    }
    assert!(!other.exists());
    assert_eq!(execute(&*session, "vacuum").await, 0);
}

#[tokio::test]
async fn only_the_tenants_folders_can_be_opened() {
    let place = Place::new(Options::default());
    assert!(matches!(open_error(&place.hooks, &caller()).await, SqlError::Denied(_)));
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::write(elsewhere.path().join("secret.db"), "").unwrap();
    std::os::unix::fs::symlink(elsewhere.path().join("secret.db"), place.folder.path().join("data.db")).unwrap();
    assert!(matches!(open_error(&place.hooks, &place.caller()).await, SqlError::Denied(_)));
    std::fs::remove_file(place.folder.path().join("data.db")).unwrap();
    // A link to what is not there yet passes the comparison of paths, and not the opening.
    std::os::unix::fs::symlink(elsewhere.path().join("new.db"), place.folder.path().join("data.db")).unwrap();
    assert!(matches!(open_error(&place.hooks, &place.caller()).await, SqlError::Connect(_)));
    assert!(!elsewhere.path().join("new.db").exists());
}

#[tokio::test]
async fn a_database_in_memory_is_of_one_session() {
    let mut memory = connection("sqlite");
    memory.info.host = Some(":memory:".to_owned());
    let hooks = hooks(memory);
    let session = open(&hooks).await;
    execute(&*session, "create table t (x)").await;
    assert_eq!(execute(&*session, "insert into t values (1), (2)").await, 2);
    let other = open(&hooks).await;
    assert!(matches!(try_rows(&*other, "select * from t", &[]).await, Err(SqlError::Database { .. })));
}

#[tokio::test]
async fn errors_say_what_is_wrong() {
    let place = Place::new(Options::default());
    let session = place.open().await;
    let message = |answer: Result<u64, SqlError>| match answer {
        Err(SqlError::Database { message, .. }) => message,
        other => panic!("{other:?}"),
    };
    let run = |statement: &str, parameters| session.execute(statement.to_owned(), parameters);
    assert_eq!(message(run("select * from missing", vec![]).await), "no such table: missing");
    assert!(message(run("select 1; select 2", vec![]).await).contains("more than one statement"));
    assert!(message(run("select ?, ?", vec![SqlValue::Null]).await).contains("takes 2 parameters, and 1 were given"));
    execute(&*session, "create table t (x unique)").await;
    execute(&*session, "insert into t values (1)").await;
    let failure = run("insert into t values (1)", vec![]).await.unwrap_err();
    let SqlError::Database { code, .. } = failure else { panic!("{failure:?}") };
    assert_eq!(code.as_deref(), Some("2067"));
    assert_eq!(execute(&*session, "select * from t").await, 0);
}

#[tokio::test]
async fn a_connection_that_only_reads_makes_no_file() {
    let place = Place::new(Options::default());
    let mut reading = connection("sqlite");
    reading.info.host = Some(place.folder.path().join("data.db").to_str().unwrap().to_owned());
    let hooks = hooks(with_extra(reading, json!({"mode": "ro"})));
    assert!(matches!(open_error(&hooks, &place.caller()).await, SqlError::Connect(_)));
    execute(&*place.open().await, "create table t (x)").await;
    let session = SqlHook::open(&hooks, &place.caller(), "test").await.unwrap();
    session.begin().await.unwrap();
    assert!(session.execute("insert into t values (1)".to_owned(), vec![]).await.is_err());
    session.rollback().await.unwrap();
}
