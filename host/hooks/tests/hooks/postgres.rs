//! SQL over PostgreSQL.

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
    let database = airlock_test_services::postgres().unwrap();
    Place { hooks: hooks_with(connection_to("postgres", database.url()), options), database }
}

#[tokio::test]
async fn values_of_every_type_come_out() {
    let place = place(Options::default());
    let session = open(&place.hooks).await;
    assert_eq!(session.dialect(), SqlDialect::Postgres);
    execute(&*session, "create type mood as enum ('sad', 'glad')").await;
    execute(&*session, "create domain positive as int check (value > 0)").await;
    for (expression, expected) in [
        ("null::int", SqlValue::Null),
        ("true", SqlValue::Boolean(true)),
        ("(-32768)::int2", SqlValue::Integer(-32768)),
        ("2147483647::int4", SqlValue::Integer(2_147_483_647)),
        ("(-9223372036854775808)::int8", SqlValue::Integer(i64::MIN)),
        ("4294967295::oid", SqlValue::Integer(4_294_967_295)),
        ("5::positive", SqlValue::Integer(5)),
        ("0.1::float4", SqlValue::Float(0.1)),
        ("1e300::float8", SqlValue::Float(1e300)),
        ("12.50::numeric", SqlValue::Decimal("12.50".to_owned())),
        ("'NaN'::numeric", SqlValue::Decimal("NaN".to_owned())),
        ("'grüß'::text", text("grüß")),
        ("'ab'::char(4)", text("ab  ")),
        ("'x'::\"char\"", text("x")),
        ("'glad'::mood", text("glad")),
        ("'\\x00ff'::bytea", SqlValue::Bytes(vec![0, 255])),
        ("'{\"a\": 1}'::json", SqlValue::Json("{\"a\": 1}".to_owned())),
        ("'{\"a\":1}'::jsonb", SqlValue::Json("{\"a\": 1}".to_owned())),
        (
            "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'::uuid",
            SqlValue::Uuid("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11".to_owned()),
        ),
        ("'2026-01-31'::date", SqlValue::Date("2026-01-31".to_owned())),
        ("'1969-07-20'::date", SqlValue::Date("1969-07-20".to_owned())),
        ("'13:45:00.5'::time", SqlValue::Time("13:45:00.500".to_owned())),
        ("'2026-01-31 13:45:00'::timestamp", SqlValue::Datetime("2026-01-31T13:45:00".to_owned())),
        ("'2026-01-31 13:45:00.25+02'::timestamptz", SqlValue::Timestamp("2026-01-31T11:45:00.250Z".to_owned())),
        ("array[[1, null], [3, 4]]", SqlValue::Json("[[1,null],[3,4]]".to_owned())),
        ("array['a', 'b\"c']", SqlValue::Json("[\"a\",\"b\\\"c\"]".to_owned())),
        ("array[1.5, 2]::numeric[]", SqlValue::Json("[\"1.5\",\"2\"]".to_owned())),
        ("'{}'::int[]", SqlValue::Json("[]".to_owned())),
        ("pg_sleep(0)", SqlValue::Null),
    ] {
        assert_eq!(value(&*session, &format!("select {expression}"), &[]).await, expected, "{expression}");
    }
    for expression in ["'1 day'::interval", "'infinity'::timestamptz", "'10.0.0.1'::inet", "array['\\x00'::bytea]"] {
        let refusal = try_rows(&*session, &format!("select 1, {expression} as odd"), &[]).await.unwrap_err();
        assert!(
            matches!(&refusal, SqlError::UnsupportedType(text) if text.contains("`odd`")),
            "{expression}: {refusal}"
        );
    }
    assert_eq!(value(&*session, "select '1 day'::interval::text", &[]).await, text("1 day"));
}

#[tokio::test]
async fn parameters_become_what_the_statement_wants() {
    let place = place(Options::default());
    let session = open(&place.hooks).await;
    execute(&*session, "create type mood as enum ('sad', 'glad')").await;
    let numeric = "123456789012345678901234567890.000100";
    for (parameter, cast, expected) in [
        (SqlValue::Null, "int", "null"),
        (SqlValue::Boolean(true), "bool", "true"),
        (text("off"), "bool", "false"),
        (SqlValue::Integer(7), "int2", "7"),
        (SqlValue::Integer(7), "int4", "7"),
        (text(" 7 "), "int8", "7"),
        (SqlValue::Integer(7), "numeric", "7"),
        (SqlValue::Integer(7), "float8", "7"),
        (SqlValue::Integer(7), "text", "7"),
        (SqlValue::Float(0.5), "float4", "0.5"),
        (SqlValue::Float(3.0), "int4", "3"),
        (SqlValue::Float(1e21), "numeric", "1000000000000000000000"),
        (SqlValue::Decimal(numeric.to_owned()), "numeric", numeric),
        (SqlValue::Decimal("-0.00012".to_owned()), "numeric", "-0.00012"),
        (SqlValue::Decimal("99990000.1".to_owned()), "numeric", "99990000.1"),
        (SqlValue::Decimal("1e-20".to_owned()), "numeric", "0.00000000000000000001"),
        (SqlValue::Bytes(vec![1, 2]), "bytea", "\\x0102"),
        (text("glad"), "mood", "glad"),
        (text("2026-01-31"), "date", "2026-01-31"),
        (SqlValue::Date("1999-12-31".to_owned()), "date", "1999-12-31"),
        (SqlValue::Time("13:45:00.5".to_owned()), "time", "13:45:00.5"),
        (text("2026-01-31 10:00:00"), "timestamp", "2026-01-31 10:00:00"),
        (SqlValue::Timestamp("2026-01-31T10:00:00+02:00".to_owned()), "timestamptz", "2026-01-31 08:00:00+00"),
        (SqlValue::Json("{\"a\":[1]}".to_owned()), "jsonb", "{\"a\": [1]}"),
        (SqlValue::Integer(7), "json", "7"),
        (text("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"), "uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ] {
        let statement = format!("select coalesce($1::{cast}::text, 'null')");
        assert_eq!(
            value(&*session, &statement, std::slice::from_ref(&parameter)).await,
            text(expected),
            "{parameter:?} as {cast}"
        );
    }
    for (parameter, cast) in [
        (SqlValue::Integer(40_000), "int2"),
        (text("seven"), "int4"),
        (SqlValue::Float(3.5), "int4"),
        (text("tomorrow"), "date"),
        (text("{"), "jsonb"),
        (text("1 day"), "interval"),
    ] {
        let refusal =
            try_rows(&*session, &format!("select $1::{cast}"), std::slice::from_ref(&parameter)).await.unwrap_err();
        assert!(matches!(&refusal, SqlError::UnsupportedType(text) if text.contains("$1")), "{parameter:?}: {refusal}");
    }
    let refusal = try_rows(&*session, "select $1::text, $2::text", &[SqlValue::Null]).await.unwrap_err();
    assert!(refusal.to_string().contains("takes 2 parameters, and 1 were given"));
    assert_eq!(value(&*session, "select $1::text::interval::text", &[text("1 day")]).await, text("1 day"));
}

#[tokio::test]
async fn columns_are_known_without_rows_and_changes_are_counted() {
    let place = place(Options::default());
    let session = open(&place.hooks).await;
    assert_eq!(execute(&*session, "create table t (id int primary key, name varchar(10))").await, 0);
    let none = session.query("select id, name as title from t".to_owned(), vec![]).await.unwrap();
    let columns: Vec<_> = none.columns().iter().map(|column| (&*column.name, &*column.type_name)).collect();
    assert_eq!(columns, [("id", "int4"), ("title", "varchar")]);
    drop(none);
    assert_eq!(execute(&*session, "insert into t select i, 'n' || i from generate_series(1, 5) i").await, 5);
    assert_eq!(execute(&*session, "update t set name = 'x' where id > 3").await, 2);
    let failure = session.execute("insert into t values (1, 'again')".to_owned(), vec![]).await.unwrap_err();
    assert!(matches!(&failure, SqlError::Database { code: Some(code), .. } if code == "23505"), "{failure:?}");
    // The type of a column changes under a statement that has run before.
    assert_eq!(value(&*session, "select name from t where id = 5", &[]).await, text("x"));
    execute(&*session, "alter table t alter column name type int using id").await;
    assert_eq!(value(&*session, "select name from t where id = 5", &[]).await, SqlValue::Integer(5));
}

#[tokio::test]
async fn what_is_not_committed_is_rolled_back() {
    let place = place(Options::default());
    let session = open(&place.hooks).await;
    execute(&*session, "create table t (x int unique)").await;
    session.begin().await.unwrap();
    assert!(matches!(session.begin().await, Err(SqlError::Other(_))));
    execute(&*session, "insert into t values (1)").await;
    session.rollback().await.unwrap();
    session.begin().await.unwrap();
    execute(&*session, "insert into t values (2)").await;
    session.commit().await.unwrap();

    session.begin().await.unwrap();
    execute(&*session, "insert into t values (3)").await;
    assert!(session.execute("insert into t values (2)".to_owned(), vec![]).await.is_err());
    let failure = session.commit().await.unwrap_err();
    assert!(failure.to_string().contains("rolled back"), "{failure}");
    assert_eq!(rows(&*session, "select x from t", &[]).await, [[SqlValue::Integer(2)]]);

    session.begin().await.unwrap();
    execute(&*session, "insert into t values (4)").await;
    drop(session);
    let session = open(&place.hooks).await;
    assert_eq!(rows(&*session, "select x from t", &[]).await, [[SqlValue::Integer(2)]]);
}

#[tokio::test]
async fn rows_hold_the_session_and_may_be_left() {
    let place = place(Options::default());
    let session = open(&place.hooks).await;
    let many = "select i, repeat('x', 100) from generate_series(1, 30000) i";
    session.begin().await.unwrap();
    let mut open_rows = session.query(many.to_owned(), vec![]).await.unwrap();
    assert_eq!(open_rows.next(3, 1 << 20).await.unwrap().len(), 3);
    assert_eq!(session.commit().await, Err(SqlError::Busy));
    drop(open_rows);
    session.commit().await.unwrap();
    assert_eq!(rows(&*session, many, &[]).await.len(), 30_000);
    let failing = "select 1 / (20000 - i) from generate_series(1, 30000) i";
    let mut open_rows = session.query(failing.to_owned(), vec![]).await.unwrap();
    let mut count = 0;
    let failure = loop {
        match open_rows.next(1000, 1 << 20).await {
            Ok(some) => count += some.len(),
            Err(failure) => break failure,
        }
    };
    assert!(
        count > 0 && matches!(&failure, SqlError::Database { code: Some(code), .. } if code == "22012"),
        "{failure:?}"
    );
    drop(open_rows);
    assert_eq!(value(&*session, "select 1", &[]).await, SqlValue::Integer(1));
}

#[tokio::test]
async fn a_session_leaves_nothing_to_the_next_one() {
    let place = place(Options { sessions_per_connection: 1, ..Options::default() });
    let backend = "select pg_backend_pid()";
    let session = open(&place.hooks).await;
    let first = value(&*session, backend, &[]).await;
    rows(&*session, "select set_config('search_path', 'elsewhere', false), pg_advisory_lock(1)", &[]).await;
    drop(session);
    let session = open(&place.hooks).await;
    assert_eq!(value(&*session, backend, &[]).await, first, "the connection is used again");
    assert_ne!(value(&*session, "show search_path", &[]).await, text("elsewhere"));
    assert_eq!(
        value(&*session, "select count(*) from pg_locks where locktype = 'advisory'", &[]).await,
        SqlValue::Integer(0)
    );
    execute(&*session, "create temp table leftover (x int)").await;
    drop(session);
    let session = open(&place.hooks).await;
    assert_ne!(value(&*session, backend, &[]).await, first, "after a statement that is not plain it is closed");
    assert!(try_rows(&*session, "select * from leftover", &[]).await.is_err());
}

/// How many servers of this database are at a statement with this text in it.
async fn running(watcher: &dyn SqlSession, part: &str) -> SqlValue {
    let statement = "select count(*) from pg_stat_activity where datname = current_database() \
                     and pid <> pg_backend_pid() and state = 'active' and position($1 in query) > 0";
    value(watcher, statement, &[text(part)]).await
}

async fn until_running(watcher: &dyn SqlSession, part: &str, count: i64) {
    let watch = async { while running(watcher, part).await != SqlValue::Integer(count) {} };
    tokio::time::timeout(Duration::from_secs(20), watch).await.unwrap();
}

#[tokio::test]
async fn a_statement_that_nobody_waits_for_is_cancelled() {
    let place = place(Options::default());
    let watcher = open(&place.hooks).await;
    let session = open(&place.hooks).await;
    let call = tokio::spawn(async move { session.execute("select pg_sleep(1000)".to_owned(), vec![]).await });
    until_running(&*watcher, "pg_sleep", 1).await;
    call.abort();
    until_running(&*watcher, "pg_sleep", 0).await;
}

#[tokio::test]
async fn a_statement_that_takes_too_long_ends_the_session() {
    let place = place(Options { statement_timeout: Duration::from_millis(300), ..Options::default() });
    let session = open(&place.hooks).await;
    assert_eq!(session.execute("select pg_sleep(1000)".to_owned(), vec![]).await, Err(SqlError::Timeout));
    let failure = session.execute("select 1".to_owned(), vec![]).await.unwrap_err();
    assert!(failure.to_string().contains("open another"), "{failure}");
    until_running(&*open(&place.hooks).await, "pg_sleep", 0).await;
}

#[tokio::test]
async fn a_connection_that_the_server_has_closed_is_not_handed_out() {
    let place = place(Options::default());
    let session = open(&place.hooks).await;
    let backend = value(&*session, "select pg_backend_pid()", &[]).await;
    let killer = open(&place.hooks).await;
    drop(session);
    let pooled = "select pg_terminate_backend($1::int)";
    assert_eq!(value(&*killer, pooled, &[backend]).await, SqlValue::Boolean(true));
    assert_eq!(value(&*open(&place.hooks).await, "select 1", &[]).await, SqlValue::Integer(1));
}

#[tokio::test]
async fn more_sessions_than_there_may_be_wait_and_then_say_so() {
    let place = place(Options {
        sessions_per_connection: 1,
        connect_timeout: Duration::from_millis(300),
        ..Options::default()
    });
    let session = open(&place.hooks).await;
    let refusal = open_error(&place.hooks, &caller()).await;
    assert!(matches!(&refusal, SqlError::Connect(text) if text.contains("1 may be open")), "{refusal}");
    drop(session);
    open(&place.hooks).await;
}

#[tokio::test]
async fn a_changed_connection_is_used_at_once() {
    let (one, other) = (place(Options::default()), airlock_test_services::postgres().unwrap());
    let connections = std::sync::Arc::new(Connections::default());
    connections.put(connection_to("postgres", one.database.url()));
    let hooks = Hooks::new(connections.clone(), Options::default());
    let name = "select current_database()::text";
    let before = value(&*open(&hooks).await, name, &[]).await;
    connections.put(connection_to("postgres", other.url()));
    assert_ne!(value(&*open(&hooks).await, name, &[]).await, before);
}

#[tokio::test]
async fn addresses_are_checked_whatever_name_leads_there() {
    let place = place(Options::default());
    let mut named = connection_to("postgres", place.database.url());
    let direct = open_error(&place.hooks, &fenced_caller()).await;
    assert!(matches!(&direct, SqlError::Denied(text) if text.contains("loopback")), "{direct}");
    named.info.host = Some("db.example".to_owned());
    let rebound = open_error(&hooks_with_names(named.clone(), &["1.1.1.1", "10.0.0.1"]), &caller()).await;
    assert!(matches!(&rebound, SqlError::Denied(text) if text.contains("10.0.0.1")), "{rebound}");
    let session = open(&hooks_with_names(named.clone(), &["127.0.0.1"])).await;
    assert_eq!(value(&*session, "select 1", &[]).await, SqlValue::Integer(1));
    named.info.host = Some("/var/run/postgresql".to_owned());
    assert!(matches!(open_error(&hooks(named), &caller()).await, SqlError::Connect(_)));
}

#[tokio::test]
async fn refusals_of_the_login_hold_no_secret() {
    let place = place(Options::default());
    let good = connection_to("postgres", place.database.url());
    let mut wrong = good.clone();
    wrong.password = Some("wrong-pass-word".to_owned());
    let refusal = open_error(&hooks(wrong), &caller()).await;
    assert!(matches!(&refusal, SqlError::Connect(text) if text.contains("authentication failed")), "{refusal}");
    assert!(!format!("{refusal:?}").contains("wrong-pass-word"));
    let refusal = open_error(&hooks(with_extra(good.clone(), json!({"sslmode": "require"}))), &caller()).await;
    assert!(matches!(&refusal, SqlError::Connect(text) if text.contains("TLS")), "{refusal}");
    let refusal = open_error(&hooks(with_extra(good.clone(), json!({"sslrootcert": "/etc/passwd"}))), &caller()).await;
    assert!(matches!(&refusal, SqlError::Connect(text) if text.contains("PEM")), "{refusal}");
    let mut closed = good.clone();
    closed.info.port = Some(1);
    let refusal = open_error(&hooks(closed), &caller()).await;
    assert!(matches!(&refusal, SqlError::Connect(text) if text.contains("port 1")), "{refusal}");
    // A database echoes what it is given, and so may echo the password.
    let session = open(&place.hooks).await;
    let password = good.password.unwrap();
    let echo = session.execute(format!("select '{password}'::int"), vec![]).await.unwrap_err();
    assert!(echo.to_string().contains("***") && !format!("{echo:?}").contains(&password), "{echo}");
}
