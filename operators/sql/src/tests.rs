use airlock_sdk::testing::Host;

use super::*;

const SET_UP: &str = "create table sales (day text, region text, amount real);
    insert into sales values ('2026-01-30', 'eu', 1.5), ('2026-01-31', 'eu', 2.5), ('2026-01-31', 'us', 4);";

fn host() -> Host {
    Host::new().with_sqlite("db", SET_UP).unwrap()
}

fn run(host: &Host, arguments: Value) -> Result<Value> {
    let mut arguments = arguments;
    arguments["conn_id"] = json!("db");
    host.execute::<Operator>(arguments).map(|outcome| match outcome {
        Outcome::Success(value) => value.unwrap_or_default(),
        other => panic!("{other:?}"),
    })
}

#[test]
fn a_query_gives_its_rows() {
    let select = "select region, sum(amount) as total from sales group by region order by region";
    let result = |handler: &str| run(&host(), json!({ "sql": select, "handler": handler })).unwrap();
    assert_eq!(result("fetch_all"), json!([["eu", 4.0], ["us", 4.0]]));
    assert_eq!(result("fetch_one"), json!(["eu", 4.0]));
    assert_eq!(result("scalar"), json!("eu"));
    assert_eq!(result("dicts"), json!([{ "region": "eu", "total": 4.0 }, { "region": "us", "total": 4.0 }]));
    assert_eq!(result("none"), Value::Null);
}

#[test]
fn a_query_without_rows_has_an_empty_result() {
    let result =
        |handler: &str| run(&host(), json!({ "sql": "select * from sales where 0", "handler": handler })).unwrap();
    assert_eq!(result("fetch_all"), json!([]));
    assert_eq!(result("fetch_one"), Value::Null);
    assert_eq!(result("scalar"), Value::Null);
}

#[test]
fn a_change_gives_its_row_count() {
    let host = host();
    let sql = "update sales set amount = 0 where day = :day";
    let result = run(&host, json!({ "sql": sql, "parameters": { "day": "2026-01-31" } }));
    assert_eq!(result, Ok(json!({ "rowcount": 2 })));
    assert_eq!(host.statements("db"), ["BEGIN", "update sales set amount = 0 where day = ?", "COMMIT"]);
}

#[test]
fn parameters_may_be_positional() {
    let sql = "select ?, ?, ?, ?";
    let result = run(&host(), json!({ "sql": sql, "parameters": [null, true, 2, "x'; drop table sales"] }));
    assert_eq!(result, Ok(json!([[null, 1, 2, "x'; drop table sales"]])));
}

#[test]
fn several_statements_are_one_transaction() {
    let host = host();
    let error = run(&host, json!({ "sql": "delete from sales; insert into missing values (1)" })).unwrap_err();
    assert!(error.message.contains("no such table: missing"), "{error}");
    assert!(error.retryable);
    assert_eq!(host.statements("db").last().map(String::as_str), Some("ROLLBACK"));
    assert_eq!(run(&host, json!({ "sql": "select count(*) from sales" })), Ok(json!([[3]])));
}

#[test]
fn with_autocommit_each_statement_stands_for_itself() {
    let host = host();
    let sql = "delete from sales; insert into missing values (1)";
    run(&host, json!({ "sql": sql, "autocommit": true })).unwrap_err();
    assert_eq!(host.statements("db"), ["delete from sales", "insert into missing values (1)"]);
    assert_eq!(run(&host, json!({ "sql": "select count(*) from sales", "handler": "scalar" })), Ok(json!(0)));
}

#[test]
fn results_of_several_statements() {
    let text = "select 1; select 2";
    assert_eq!(run(&host(), json!({ "sql": text })), Ok(json!([[2]])));
    assert_eq!(run(&host(), json!({ "sql": text, "return_last": false })), Ok(json!([[[1]], [[2]]])));
    assert_eq!(run(&host(), json!({ "sql": ["select 1", "select 2"] })), Ok(json!([[[1]], [[2]]])));
}

#[test]
fn a_trigger_is_sent_whole() {
    let trigger = "create trigger t after insert on sales begin delete from sales; select 1; end";
    assert!(run(&host(), json!({ "sql": trigger })).is_err());
    assert_eq!(run(&host(), json!({ "sql": trigger, "split_statements": false })), Ok(json!({ "rowcount": 0 })));
}

#[test]
fn too_many_rows_are_refused() {
    let error = run(&host(), json!({ "sql": "select * from sales", "row_limit": 2 })).unwrap_err();
    assert!(!error.retryable);
    assert!(error.message.contains("more than 2 rows"), "{error}");
    assert!(run(&host(), json!({ "sql": "select * from sales", "row_limit": 3 })).is_ok());
    assert!(run(&host(), json!({ "sql": "select * from sales", "row_limit": 1, "handler": "fetch_one" })).is_ok());
}

#[test]
fn nothing_to_run_is_an_error() {
    for sql in [json!(" -- nothing\n;"), json!([])] {
        let error = run(&host(), json!({ "sql": sql })).unwrap_err();
        assert_eq!(error.message, "`sql` has no statement");
    }
}

#[test]
fn an_unknown_connection_is_named() {
    let error = Host::new().execute::<Operator>(json!({ "conn_id": "nowhere", "sql": "select 1" })).unwrap_err();
    assert_eq!(error.message, "connection not found: nowhere");
}
