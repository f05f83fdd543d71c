use airlock_sdk::testing::Host;

use super::*;

fn run(arguments: Value) -> (Host, Result<Outcome>) {
    let host = Host::new();
    let outcome = host.execute::<Operator>(arguments);
    (host, outcome)
}

fn script(text: &str) -> Result<Outcome> {
    run(json!({ "bash_command": text })).1
}

fn success(value: &str) -> Result<Outcome> {
    Ok(Outcome::Success(Some(json!(value))))
}

#[test]
fn the_last_line_is_the_result() {
    let (host, outcome) = run(json!({ "bash_command": "echo one; printf 'two  \\n'" }));
    assert_eq!(outcome, success("two"));
    assert_eq!(host.messages(), ["one", "two"]);
    assert_eq!(script("printf 'no newline'"), success("no newline"));
    assert_eq!(script("echo one; echo"), success(""));
    assert_eq!(script("true"), success(""));
    assert_eq!(script("echo out; echo err >&2"), success("out"));
}

#[test]
fn both_streams_go_to_the_log() {
    let (host, _) = run(json!({ "bash_command": "echo out; echo err >&2" }));
    let mut logs: Vec<_> = host.logs().into_iter().map(|record| (record.message, record.fields)).collect();
    logs.sort();
    let stream = |name: &str| vec![("stream".to_owned(), name.to_owned())];
    assert_eq!(logs, [("err".into(), stream("stderr")), ("out".into(), stream("stdout"))]);
}

#[test]
fn long_lines_are_logged_in_pieces() {
    let (host, outcome) = run(json!({ "bash_command": "for i in 1 2 3 4; do printf '%10000s' x; done" }));
    assert_eq!(outcome, success(&format!("{:>10000}", "x").repeat(4)));
    assert_eq!(host.messages().iter().map(String::len).collect::<Vec<_>>(), [16_384, 16_384, 7_232]);
}

#[test]
fn exit_codes_decide() {
    let error = script("echo before; exit 3").unwrap_err();
    assert_eq!(error, Error::retry("the script failed: it returned exit code 3"));
    assert_eq!(script("false").unwrap_err().message, "the script failed: it returned exit code 1");
    assert_eq!(script("no_such_command").unwrap_err().message, "the script failed: it returned exit code 127");
    assert!(matches!(script("exit 99"), Ok(Outcome::Skip(Some(_)))));
    let with =
        |codes: Value, exit: i32| run(json!({ "bash_command": format!("exit {exit}"), "skip_on_exit_code": codes })).1;
    assert!(matches!(with(json!(7), 7), Ok(Outcome::Skip(_))));
    assert!(matches!(with(json!([7, 8]), 8), Ok(Outcome::Skip(_))));
    assert!(with(json!([7, 8]), 99).is_err());
    assert!(with(json!(null), 99).is_err());
}

#[test]
fn the_environment_is_what_the_task_says() {
    let command = "echo \"$GREETING $AIRFLOW_CTX_DAG_ID $AIRFLOW_CTX_TASK_ID $AIRFLOW_CTX_TRY_NUMBER\"";
    let (_, outcome) = run(json!({ "bash_command": command, "env": { "GREETING": "it's $HOME" } }));
    assert_eq!(outcome, success("it's $HOME test task 1"));
    // The process that runs this test has a PATH of its own, which the script must not see.
    assert_ne!(script("echo $PATH"), success(&std::env::var("PATH").unwrap()));
}

#[test]
fn scripts_may_be_long() {
    assert_eq!(script("for ((i = 0; i < 10001; i++)); do :; done; echo $i"), success("10001"));
    assert_eq!(script("seq 20000 | awk '{ s += $1 } END { print s }'"), success("200010000"));
}

#[test]
fn the_usual_shell_works() {
    let command = r#"
        set -euo pipefail
        declare -A count
        while read -r word; do count[$word]=$(( ${count[$word]:-0} + 1 )); done < <(printf '%s\n' b a b)
        for word in "${!count[@]}"; do echo "$word=${count[$word]}"; done | sort > /tmp/counts
        sed -n '$p' /tmp/counts | tr a-z A-Z
    "#;
    assert_eq!(script(command), success("B=2"));
    assert_eq!(
        script("set -e; false; echo not here").unwrap_err().message,
        "the script failed: it returned exit code 1"
    );
}

#[test]
fn what_is_no_script_fails_for_good() {
    let error = script("if true; then echo").unwrap_err();
    assert!(!error.retryable);
    assert!(error.message.starts_with("the script is not valid: parse error"), "{error}");
    assert!(run(json!({ "bash_command": "true", "cwd": "/" })).1.unwrap_err().message.contains("unknown field `cwd`"));
}

#[test]
fn endless_recursion_is_an_error() {
    let error = script("f() { f; }; f").unwrap_err();
    assert!(error.message.contains("maximum function depth"), "{error}");
}

#[test]
fn there_is_nothing_outside() {
    // The script's files are its own: this one exists, for the process that runs the test.
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    assert!(std::fs::exists(file).unwrap());
    assert_eq!(script(&format!("test -e {file} || echo none")), success("none"));
    assert!(script("curl -s https://example.com").is_err());
}

#[test]
fn sleep_takes_units() {
    assert_eq!(script("sleep 0.001s 0 && timeout 0.01 sleep 1h; echo $?"), success("124"));
    assert!(script("sleep a while").is_err());
}
