//! The functions of the SDK over the double of the host.

use std::io::Read;

use airlock_sdk::connections::{self, Connection, ConnectionError, Secret};
use airlock_sdk::log::Level;
use airlock_sdk::object_store::{Bucket, ObjectError, PutOptions};
use airlock_sdk::prelude::*;
use airlock_sdk::sql::{Dialect, Session, SqlError, SqlValue};
use airlock_sdk::testing::{Answer, Host, Table};
use airlock_sdk::xcom::{Entry, Selection, XComError};
use airlock_sdk::{http, variables, xcom};

#[test]
fn records_of_the_log_have_levels_and_fields() {
    let host = Host::new();
    host.run(|| {
        log::debug!("a {}", 1);
        log::warning!("b");
        log::write(Level::Error, "c", &[("rows", "3")]);
    });
    let logs: Vec<_> = host.logs().into_iter().map(|record| (record.level, record.message, record.fields)).collect();
    let fields = vec![("rows".to_owned(), "3".to_owned())];
    let expected = [(Level::Debug, "a 1", vec![]), (Level::Warning, "b", vec![]), (Level::Error, "c", fields)];
    assert_eq!(logs, expected.map(|(level, message, fields)| (level, message.to_owned(), fields)));
}

#[test]
fn the_context_is_the_tests() {
    let host = Host::new().with_context(|context| context.try_number = 3);
    assert_eq!(host.run(context).try_number, 3);
}

#[test]
fn xcoms_are_typed() {
    let mapped = |map_index, value| Entry { task_id: "many".into(), map_index, value };
    let host = Host::new()
        .with_result("one", json!({ "rows": 3 }))
        .with_xcom("k", mapped(1, json!("b")))
        .with_xcom("k", mapped(0, json!("a")));
    host.run(|| {
        assert_eq!(xcom::pull::<Value>("one").unwrap().unwrap()["rows"], json!(3));
        assert_eq!(xcom::pull::<Value>("none"), Ok(None));
        assert!(matches!(xcom::pull::<Vec<i32>>("one"), Err(XComError::InvalidJson(_))));
        assert_eq!(xcom::pull_key::<String>("many", "k", Some(1)), Ok(Some("b".into())));
        let all = xcom::pull_all(&Selection { key: "k".into(), ..Selection::default() }).unwrap();
        assert_eq!(all.iter().map(|entry| entry.map_index).collect::<Vec<_>>(), [0, 1]);
        xcom::push("mine", &[1, 2]).unwrap();
    });
    assert_eq!(host.pushed("mine"), Some(json!([1, 2])));
}

#[test]
fn variables_can_change() {
    let host = Host::new().with_variable("a", "1");
    host.run(|| {
        assert_eq!(variables::get("a"), Ok(Some("1".into())));
        assert_eq!(variables::set("b", "2"), Ok(()));
        assert_eq!(variables::delete("a"), Ok(true));
        assert_eq!(variables::delete("a"), Ok(false));
    });
    assert_eq!((host.variable("a"), host.variable("b")), (None, Some("2".into())));
}

#[test]
fn connections_keep_their_secrets_apart() {
    let connection = Connection { conn_id: "db".into(), login: Some("me".into()), ..Connection::default() };
    let secret = Secret { password: Some("hidden".into()), extra: Default::default() };
    Host::new().with_secret_connection(connection, secret).run(|| {
        assert_eq!(connections::get("db").unwrap().login.as_deref(), Some("me"));
        assert_eq!(connections::get_secret("db").unwrap().password.as_deref(), Some("hidden"));
        assert_eq!(connections::get("other"), Err(ConnectionError::NotFound("other".into())));
    });
}

#[test]
fn responses_are_read_as_bytes_text_or_json() {
    let host = Host::new().with_http(|request| match request.url.as_str() {
        "/json" => Ok(Answer::json(&json!({ "a": 1 }))),
        "/large" => Ok(Answer::new(200, vec![b'x'; 200_000]).header("x-kind", "large")),
        _ => Ok(Answer::new(404, [0xff])),
    });
    host.run(|| {
        let get = |url: &str| http::Request::get(url).send().unwrap();
        assert_eq!(get("/json").json::<Value>(), Ok(json!({ "a": 1 })));
        let mut large = get("/large");
        assert_eq!(large.header("x-kind").as_deref(), Some("large"));
        let mut text = String::new();
        assert_eq!(large.read_to_string(&mut text).unwrap(), 200_000);
        assert!(get("/other").error_for_status().is_err_and(|error| error.to_string() == "/other answered 404"));
        assert!(get("/other").text().is_err());
    });
    assert_eq!(host.requests().len(), 4);
}

#[test]
fn objects_appear_when_they_are_finished() {
    let host = Host::new().with_object("lake", "in", "a/1", "hello").with_object("lake", "in", "b", "");
    host.run(|| {
        let bucket = Bucket::open("lake", Some("in")).unwrap();
        let keys: Vec<_> = bucket.list("a/").map(|object| object.unwrap().key).collect();
        assert_eq!(keys, ["a/1"]);
        assert_eq!(bucket.get_range("a/1", 1, Some(3)).unwrap().bytes(), Ok(b"ell".to_vec()));
        assert!(matches!(bucket.get("c"), Err(ObjectError::NotFound(_))));

        let mut writer = bucket.put("c", &PutOptions::default()).unwrap();
        writer.write(&vec![7; 600_000]).unwrap();
        assert_eq!(bucket.head("c"), Ok(None));
        assert_eq!(writer.finish().unwrap().size, 600_000);
        let taken = bucket.put("c", &PutOptions { if_absent: true, ..PutOptions::default() }).unwrap().finish();
        assert_eq!(taken, Err(ObjectError::AlreadyExists("c".into())));
        bucket.copy("c", "d").unwrap();
        bucket.delete("c").unwrap();
        bucket.delete("c").unwrap();
    });
    assert_eq!(host.object("lake", "in", "c"), None);
    assert_eq!(host.object("lake", "in", "d").map(|bytes| bytes.len()), Some(600_000));
}

#[test]
fn a_transaction_ends_with_its_work() {
    let host = Host::new().with_sql("db", Dialect::Postgres, |statement, parameters| match statement {
        "bad" => Err(SqlError::Database { code: Some("42601".into()), message: "syntax".into() }),
        "rows" => Ok(Table { columns: vec!["n".into()], rows: vec![parameters.to_vec(); 3], changed: 0 }),
        _ => Ok(Table { changed: 2, ..Table::default() }),
    });
    host.run(|| {
        let session = Session::open("db").unwrap();
        assert_eq!(session.transaction(|session| session.execute("good", &[])), Ok(2));
        let error = session.transaction(|session| session.execute("bad", &[])).unwrap_err();
        assert_eq!(error.to_string(), "the database refused the statement: syntax (42601)");

        let mut rows = session.query("rows", &[7.into()]).unwrap();
        assert_eq!(session.execute("good", &[]), Err(SqlError::Busy));
        assert_eq!(rows.collect(2), Ok((vec![vec![SqlValue::Integer(7)]; 2], true)));
        drop(rows);
        assert_eq!(session.execute("good", &[]), Ok(2));
    });
    assert_eq!(host.statements("db"), ["BEGIN", "good", "COMMIT", "BEGIN", "bad", "ROLLBACK", "rows", "good"]);
}

#[test]
fn what_a_session_leaves_open_is_undone() {
    let host = Host::new().with_sql("db", Dialect::Sqlite, |_, _| Ok(Table::default()));
    let left: Result<(), SqlError> = host.run(|| {
        let session = Session::open("db")?;
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _ = session.transaction(|_| -> Result<(), SqlError> { panic!("in the middle") });
        }));
        assert!(ended.is_err());
        Ok(())
    });
    assert_eq!(left, Ok(()));
    assert_eq!(host.statements("db"), ["BEGIN", "ROLLBACK"]);
}
