//! What `#[operator]` and `#[arguments]` make of plain Rust.

use std::time::Duration;

use airlock_sdk::prelude::*;
use airlock_sdk::testing::Host;
use airlock_sdk::{Deferral, HttpTrigger, Kind, Operator as _, SqlCondition, SqlTrigger};

mod nothing {
    use super::*;

    /// Does nothing.
    #[operator(name = "nothing")]
    fn nothing() -> Result<()> {
        Ok(())
    }
}

mod waiting {
    use super::*;

    #[arguments]
    pub struct Wait {
        /// In seconds.
        seconds: u64,
        #[serde(default, rename = "label")]
        text: Option<String>,
    }

    /// Waits for a while,
    /// without an instance.
    ///
    /// The first paragraph is the summary.
    ///
    /// This is *more*.
    #[operator(name = "wait-2", version = "2.1.0", kind = sensor, template_fields(seconds, "label"), resume = go_on)]
    fn wait(arguments: Wait) -> Result<Outcome> {
        let trigger = Trigger::After(Duration::from_secs(arguments.seconds));
        Outcome::defer(trigger, arguments.text)
    }

    fn go_on(text: Option<String>, event: Event) -> Result<Value> {
        match event {
            Event::Fired(payload) => Ok(json!([text, payload])),
            Event::TimedOut => Err(Error::retry("nothing came")),
            Event::Failed(reason) => Err(Error::fail(reason)),
        }
    }
}

mod failing {
    use super::*;

    #[arguments]
    struct Number {
        text: String,
    }

    /// Reads a number.
    #[operator(name = "number")]
    fn number(arguments: Number) -> Result<i32, std::num::ParseIntError> {
        arguments.text.parse()
    }
}

#[test]
fn a_description_comes_from_the_code() {
    let description = waiting::Operator::describe();
    assert_eq!((description.name.as_str(), description.version.as_str()), ("wait-2", "2.1.0"));
    assert_eq!(description.summary, "Waits for a while, without an instance.");
    assert_eq!(description.documentation.as_deref(), Some("The first paragraph is the summary.\n\nThis is *more*."));
    assert_eq!(description.kind, Kind::Sensor);
    assert_eq!(description.template_fields, ["seconds", "label"]);
    let schema = description.arguments_schema;
    assert_eq!(schema["required"], json!(["seconds"]));
    assert_eq!(schema["additionalProperties"], json!(false));
    assert_eq!(schema["properties"]["seconds"]["description"], json!("In seconds."));
    assert!(schema["properties"]["label"].is_object());
    assert_eq!(nothing::Operator::describe().version, env!("CARGO_PKG_VERSION"));
    assert_eq!(nothing::Operator::describe().kind, Kind::Action);
}

#[test]
fn results_become_outcomes() {
    let host = Host::new();
    assert_eq!(host.execute::<nothing::Operator>(json!({})), Ok(Outcome::done()));
    assert_eq!(host.execute::<failing::Operator>(json!({ "text": "7" })), Ok(Outcome::Success(Some(json!(7)))));
}

#[test]
fn errors_say_whether_to_retry() {
    let host = Host::new();
    let error = host.execute::<failing::Operator>(json!({ "text": "x" })).unwrap_err();
    assert_eq!(error, Error::retry("invalid digit found in string"));
    let error = host.execute::<failing::Operator>(json!({ "number": 7 })).unwrap_err();
    assert!(!error.retryable);
    assert!(error.message.starts_with("the arguments do not fit: unknown field `number`"), "{error}");
}

#[test]
fn a_deferral_goes_on_where_it_was() {
    let host = Host::new();
    let deferral = Deferral { trigger: Trigger::After(Duration::from_secs(5)), state: json!("x"), timeout: None };
    let outcome = host.execute::<waiting::Operator>(json!({ "seconds": 5, "label": "x" }));
    assert_eq!(outcome, Ok(Outcome::Defer(deferral)));
    let resumed = host.resume::<waiting::Operator>(json!("x"), Event::Fired(json!(1)));
    assert_eq!(resumed, Ok(Outcome::Success(Some(json!(["x", 1])))));
    let error = host.resume::<waiting::Operator>(json!(null), Event::Failed("no".into())).unwrap_err();
    assert_eq!(error, Error::fail("no"));
    let error = host.resume::<nothing::Operator>(json!(null), Event::TimedOut).unwrap_err();
    assert!(!error.retryable, "{error}");
}

#[test]
fn triggers_are_built_step_by_step() {
    let http = HttpTrigger::get("/jobs/1").by("api").until_json("/state", ["done"]).every(Duration::from_secs(5));
    let Ok(Outcome::Defer(deferral)) = Outcome::defer(http.clone(), 1).map(|wait| wait.within(Duration::from_secs(60)))
    else {
        panic!("a deferral defers");
    };
    assert_eq!((deferral.trigger, deferral.timeout), (http.clone().into(), Some(Duration::from_secs(60))));
    assert_eq!(http.expect.unwrap().one_of, [json!("done")]);
    assert_eq!(Outcome::done().within(Duration::ZERO), Outcome::done(), "what does not wait has no end of a wait");
    let sql = SqlTrigger::query("db", "select count(*) from t where d = $1").bind("2026-01-31");
    assert_eq!((sql.until, sql.parameters), (SqlCondition::FirstValue, vec![json!("2026-01-31")]));
}

#[test]
fn an_error_names_its_causes_once() {
    #[derive(Debug, thiserror::Error)]
    #[error("the file is wrong")]
    struct Outer(#[source] std::num::ParseIntError);
    #[derive(Debug, thiserror::Error)]
    #[error("wrong: {0}")]
    struct Telling(#[source] std::num::ParseIntError);

    let cause = || "x".parse::<i32>().unwrap_err();
    assert_eq!(Error::from(Outer(cause())).message, "the file is wrong: invalid digit found in string");
    assert_eq!(
        Error::from(Telling(cause())).context("reading").message,
        "reading: wrong: invalid digit found in string"
    );
}
