//! SQL over MariaDB.

use std::time::Duration;

use airlock_hooks::{Hooks, Options};
use airlock_sandbox::capability::sql::{SqlDialect, SqlError, SqlSession, SqlValue};
use airlock_test_services::Database;
use serde_json::json;

use crate::support::*;

struct Place {
    hooks: Hooks,
    database: Database,
}

fn place(options: Options) -> Place {
    let database = airlock_test_services::mariadb().unwrap();
    Place { hooks: hooks_with(connection_to("mysql", database.url()), options), database }
}

#[tokio::test]
async fn values_of_every_type_go_in_and_come_out() {
    let place = place(Options::default());
    let session = open(&place.hooks).await;
    assert_eq!(session.dialect(), SqlDialect::Mysql);
    for (declaration, parameter, expected) in [
        ("int", SqlValue::Null, SqlValue::Null),
        ("boolean", SqlValue::Boolean(true), SqlValue::Boolean(true)),
        ("tinyint(1)", SqlValue::Integer(5), SqlValue::Integer(5)),
        ("tinyint", SqlValue::Integer(-128), SqlValue::Integer(-128)),
        ("mediumint", SqlValue::Integer(-8_388_608), SqlValue::Integer(-8_388_608)),
        ("bigint", SqlValue::Integer(i64::MIN), SqlValue::Integer(i64::MIN)),
        ("bigint unsigned", text("18446744073709551615"), SqlValue::Decimal("18446744073709551615".to_owned())),
        ("int unsigned", SqlValue::Integer(4_294_967_295), SqlValue::Integer(4_294_967_295)),
        ("float", SqlValue::Float(0.1), SqlValue::Float(0.1)),
        ("double", SqlValue::Float(1e300), SqlValue::Float(1e300)),
        (
            "decimal(40, 4)",
            SqlValue::Decimal("123456789012345678901234567890.1250".to_owned()),
            SqlValue::Decimal("123456789012345678901234567890.1250".to_owned()),
        ),
        ("varchar(20)", text("grüß"), text("grüß")),
        ("longtext", text("long"), text("long")),
        ("enum('sad', 'glad')", text("glad"), text("glad")),
        ("blob", SqlValue::Bytes(vec![0, 255]), SqlValue::Bytes(vec![0, 255])),
        ("varbinary(4)", SqlValue::Bytes(vec![1]), SqlValue::Bytes(vec![1])),
        ("date", text("2026-01-31"), SqlValue::Date("2026-01-31".to_owned())),
        ("date", SqlValue::Date("1999-12-31".to_owned()), SqlValue::Date("1999-12-31".to_owned())),
        ("time", SqlValue::Time("13:45:00".to_owned()), SqlValue::Time("13:45:00".to_owned())),
        ("time", text("-100:00:01"), SqlValue::Time("-100:00:01".to_owned())),
        (
            "datetime(3)",
            SqlValue::Datetime("2026-01-31T13:45:00.25".to_owned()),
            SqlValue::Datetime("2026-01-31T13:45:00.250".to_owned()),
        ),
        (
            "timestamp",
            SqlValue::Timestamp("2026-01-31T13:45:00+02:00".to_owned()),
            SqlValue::Timestamp("2026-01-31T11:45:00Z".to_owned()),
        ),
        ("year", SqlValue::Integer(2026), SqlValue::Integer(2026)),
        ("json", SqlValue::Json("{\"a\": 1}".to_owned()), text("{\"a\": 1}")),
        (
            "uuid",
            SqlValue::Uuid("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11".to_owned()),
            text("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        ),
    ] {
        execute(&*session, &format!("create or replace table t (x {declaration})")).await;
        let inserted = session.execute("insert into t values (?)".to_owned(), vec![parameter.clone()]).await;
        assert_eq!(inserted, Ok(1), "{declaration} {parameter:?}");
        assert_eq!(value(&*session, "select x from t", &[]).await, expected, "{declaration} {parameter:?}");
    }
    let refusal = try_rows(&*session, "select 1, st_geomfromtext('point(1 1)') as odd", &[]).await.unwrap_err();
    assert!(matches!(&refusal, SqlError::UnsupportedType(text) if text.contains("`odd`")), "{refusal}");
    assert_eq!(value(&*session, "select 1", &[]).await, SqlValue::Integer(1));
}

#[tokio::test]
async fn statements_of_all_kinds_run() {
    let place = place(Options::default());
    let session = open(&place.hooks).await;
    execute(&*session, "create table t (id int primary key, name varchar(10))").await;
    let none = session.query("select id, name as title from t".to_owned(), vec![]).await.unwrap();
    let columns: Vec<_> = none.columns().iter().map(|column| (&*column.name, &*column.type_name)).collect();
    assert_eq!(columns, [("id", "int"), ("title", "varchar")]);
    drop(none);
    assert_eq!(execute(&*session, "insert into t select seq, concat('n', seq) from seq_1_to_5").await, 5);
    assert_eq!(execute(&*session, "update t set name = 'x' where id > 3").await, 2);
    let failure = session.execute("insert into t values (1, 'again')".to_owned(), vec![]).await.unwrap_err();
    assert!(matches!(&failure, SqlError::Database { code: Some(code), .. } if code == "23000"), "{failure:?}");
    let refusal = session.execute("select ?, ?".to_owned(), vec![SqlValue::Null]).await.unwrap_err();
    assert!(refusal.to_string().contains("takes 2 parameters, and 1 were given"));
    assert!(session.execute("select 1; select 2".to_owned(), vec![]).await.is_err());
    // Not to be had as a prepared statement.
    execute(&*session, "lock tables t write").await;
    execute(&*session, "unlock tables").await;
    assert_eq!(rows(&*session, "show tables", &[]).await, [[text("t")]]);
}

#[tokio::test]
async fn what_is_not_committed_is_rolled_back() {
    let place = place(Options::default());
    let session = open(&place.hooks).await;
    execute(&*session, "create table t (x int)").await;
    session.begin().await.unwrap();
    assert!(matches!(session.begin().await, Err(SqlError::Other(_))));
    execute(&*session, "insert into t values (1)").await;
    session.rollback().await.unwrap();
    session.begin().await.unwrap();
    execute(&*session, "insert into t values (2)").await;
    session.commit().await.unwrap();
    session.begin().await.unwrap();
    execute(&*session, "insert into t values (3)").await;
    drop(session);
    let session = open(&place.hooks).await;
    assert_eq!(rows(&*session, "select x from t", &[]).await, [[SqlValue::Integer(2)]]);
}

#[tokio::test]
async fn rows_hold_the_session_and_may_be_left() {
    let place = place(Options::default());
    let session = open(&place.hooks).await;
    let many = "select seq, repeat('x', 100) from seq_1_to_30000";
    let mut open_rows = session.query(many.to_owned(), vec![]).await.unwrap();
    assert_eq!(open_rows.next(3, 1 << 20).await.unwrap().len(), 3);
    assert!(matches!(session.execute("select 1".to_owned(), vec![]).await, Err(SqlError::Busy)));
    drop(open_rows);
    assert_eq!(value(&*session, "select 1", &[]).await, SqlValue::Integer(1));
    assert_eq!(rows(&*session, many, &[]).await.len(), 30_000);
}

#[tokio::test]
async fn a_session_leaves_nothing_to_the_next_one() {
    let place = place(Options { sessions_per_connection: 1, ..Options::default() });
    let thread = "select cast(connection_id() as signed)";
    let session = open(&place.hooks).await;
    let first = value(&*session, thread, &[]).await;
    value(&*session, "select get_lock('mine', 0)", &[]).await;
    drop(session);
    let session = open(&place.hooks).await;
    assert_eq!(value(&*session, thread, &[]).await, first, "the connection is used again");
    assert_eq!(value(&*session, "select is_used_lock('mine')", &[]).await, SqlValue::Null);
    execute(&*session, "set autocommit = 0").await;
    drop(session);
    let session = open(&place.hooks).await;
    assert_ne!(value(&*session, thread, &[]).await, first, "after a statement that is not plain it is closed");
    assert_eq!(value(&*session, "select @@autocommit", &[]).await, SqlValue::Integer(1));
}

async fn until_running(watcher: &dyn SqlSession, part: &str, count: i64) {
    let statement = "select count(*) from information_schema.processlist \
                     where db = database() and id <> connection_id() and info like ?";
    let pattern = [text(&format!("%{part}%"))];
    let watch = async { while value(watcher, statement, &pattern).await != SqlValue::Integer(count) {} };
    tokio::time::timeout(Duration::from_secs(20), watch).await.unwrap();
}

#[tokio::test]
async fn a_statement_that_nobody_waits_for_is_cancelled() {
    let place = place(Options::default());
    let watcher = open(&place.hooks).await;
    let session = open(&place.hooks).await;
    let call = tokio::spawn(async move { session.execute("select sleep(1000)".to_owned(), vec![]).await });
    until_running(&*watcher, "sleep(1000)", 1).await;
    call.abort();
    until_running(&*watcher, "sleep(1000)", 0).await;
}

#[tokio::test]
async fn refusals_hold_no_secret_and_addresses_are_checked() {
    let place = place(Options::default());
    let mut wrong = connection_to("mariadb", place.database.url());
    wrong.password = Some("wrong-pass-word".to_owned());
    let refusal = open_error(&hooks(wrong.clone()), &caller()).await;
    assert!(matches!(&refusal, SqlError::Connect(text) if text.contains("Access denied")), "{refusal}");
    assert!(!format!("{refusal:?}").contains("wrong-pass-word"));
    let refusal = open_error(&hooks(with_extra(wrong, json!({"ssl_mode": "required"}))), &caller()).await;
    assert!(matches!(&refusal, SqlError::Connect(text) if text.contains("TLS")), "{refusal}");
    assert!(matches!(open_error(&place.hooks, &fenced_caller()).await, SqlError::Denied(_)));
}
