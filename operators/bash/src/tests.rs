use airlock_sdk::testing::Host;

use super::*;

fn run(arguments: Value) -> (Host, Result<Outcome>) {
    let host = Host::new();
    let outcome = host.execute::<Operator>(arguments);
    (host, outcome)
}

fn success(value: &str) -> Result<Outcome> {
    Ok(Outcome::Success(Some(json!(value))))
}

#[test]
fn the_last_line_is_the_result() {
    let (host, outcome) = run(json!({ "bash_command": "echo one; printf 'two  \\n'" }));
    assert_eq!(outcome, success("two"));
    assert_eq!(host.messages(), ["one", "two"]);
}
