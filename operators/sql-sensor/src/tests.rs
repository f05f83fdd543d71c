use airlock_sdk::testing::Host;

use super::*;

fn host() -> Host {
    Host::new()
        .with_sqlite("db", "create table sales (day text, n int); insert into sales values ('2026-01-31', 2);")
        .unwrap()
}

fn run(arguments: Value) -> Result<Outcome> {
    let mut arguments = arguments;
    arguments["conn_id"] = json!("db");
    host().execute::<Operator>(arguments)
}

#[test]
fn it_waits_for_a_first_value_that_is_true() {
    let cases = [
        ("select n from sales", Outcome::done()),
        ("select count(*) from sales", Outcome::done()),
        ("select '0'", Outcome::done()),
        ("select 0, 1", Outcome::reschedule()),
        ("select 0.0", Outcome::reschedule()),
        ("select null", Outcome::reschedule()),
        ("select ''", Outcome::reschedule()),
        ("select 1 where 0", Outcome::reschedule()),
    ];
    for (sql, expected) in cases {
        assert_eq!(run(json!({ "sql": sql })), Ok(expected), "{sql}");
    }
    let day = |day: &str| run(json!({ "sql": "select n from sales where day = ?", "parameters": [day] }));
    assert_eq!((day("2026-01-31"), day("2026-02-01")), (Ok(Outcome::done()), Ok(Outcome::reschedule())));
}

#[test]
fn no_row_may_be_an_error() {
    let error = run(json!({ "sql": "select 1 where 0", "fail_on_empty": true })).unwrap_err();
    assert!(error.message.contains("no row"), "{error}");
    assert!(run(json!({ "sql": "select 1", "parameters": [[1]] })).unwrap_err().message.contains("neither text"));
}

#[test]
fn the_host_may_wait_in_its_place() {
    let sql = "select n from sales where day = ?";
    let Ok(Outcome::Defer(deferral)) = run(json!({ "sql": sql, "parameters": ["tomorrow"], "deferrable": true }))
    else {
        panic!("it defers");
    };
    assert_eq!(deferral.trigger, SqlTrigger::query("db", sql).bind("tomorrow").into());
    let resume = |event| host().resume::<Operator>(deferral.state.clone(), event);
    assert_eq!(resume(Event::Fired(json!({ "row": [2] }))), Ok(Outcome::done()));
    assert_eq!(resume(Event::TimedOut), Ok(Outcome::reschedule()));
    assert_eq!(resume(Event::Failed("no".into())), Err(Error::fail("no")));
}
