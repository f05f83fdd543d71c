use airlock_sdk::testing::Host;

use super::*;

fn host(source: impl Into<Vec<u8>>) -> Host {
    Host::new().with_object("aws_default", "lake", "in.csv", source).with_bucket("aws_default", "out")
}

fn run(host: &Host, script: &str, more: Value) -> Result<Outcome> {
    let mut arguments = json!({
        "source_s3_key": "s3://lake/in.csv",
        "dest_s3_key": "s3://out/out.csv",
        "transform_script": script,
    });
    for (name, value) in more.as_object().unwrap() {
        arguments[name] = value.clone();
    }
    host.execute::<Operator>(arguments)
}

fn output(host: &Host) -> Option<String> {
    host.object("aws_default", "out", "out.csv").map(|bytes| String::from_utf8(bytes).unwrap())
}

#[test]
fn the_script_stands_between_the_objects() {
    let host = host("b,2\na,1\n");
    let Ok(Outcome::Success(Some(result))) = run(&host, "sort | tr , ';'", json!({ "content_type": "text/csv" }))
    else {
        panic!("the script is right");
    };
    assert_eq!(output(&host).as_deref(), Some("a;1\nb;2\n"));
    assert_eq!((&result["key"], &result["size"]), (&json!("s3://out/out.csv"), &json!(8)));
    assert_eq!(host.content_type("aws_default", "out", "out.csv").as_deref(), Some("text/csv"));
}

#[test]
fn scripts_may_have_lines_arguments_and_heredocs() {
    let script =
        "while IFS=, read -r name rest; do\n  [ \"$name\" = \"$1\" ] && echo \"$2=$rest\"\ndone\ncat <<END\nend\nEND";
    let host = host("a,1\nb,2\n");
    run(&host, script, json!({ "script_args": ["b", "it's"] })).unwrap();
    assert_eq!(output(&host).as_deref(), Some("it's=2\nend\n"));
}

#[test]
fn bytes_pass_unchanged() {
    let bytes: Vec<u8> = (0..=255).cycle().take(1_000_000).collect();
    let host = host(bytes.clone());
    run(&host, "cat", json!({})).unwrap();
    assert_eq!(host.object("aws_default", "out", "out.csv"), Some(bytes));
}

#[test]
fn a_script_need_not_read_everything() {
    let host = host("line\n".repeat(100_000));
    run(&host, "head -n 1", json!({})).unwrap();
    assert_eq!(output(&host).as_deref(), Some("line\n"));
}

#[test]
fn a_failed_script_writes_nothing() {
    let host = host("x");
    let error = run(&host, "cat; echo why >&2; exit 3", json!({})).unwrap_err();
    assert!(error.retryable);
    assert_eq!(error.message, "the script failed: it returned exit code 3; nothing is written");
    assert_eq!(output(&host), None);
    assert_eq!(host.messages().last().unwrap(), "why");
}

#[test]
fn a_script_that_is_none_fails_for_good() {
    let error = run(&host("x"), "if true; then", json!({})).unwrap_err();
    assert!(!error.retryable, "{error}");
}

#[test]
fn what_is_there_is_replaced_only_if_asked() {
    let host = host("new").with_object("aws_default", "out", "out.csv", "old");
    let error = run(&host, "cat", json!({})).unwrap_err();
    assert!(!error.retryable);
    assert!(error.message.contains("s3://out/out.csv is already there"), "{error}");
    assert_eq!(output(&host).as_deref(), Some("old"));
    run(&host, "cat", json!({ "replace": true })).unwrap();
    assert_eq!(output(&host).as_deref(), Some("new"));
}

#[test]
fn connections_may_differ() {
    let host = host("x").with_bucket("archive", "cold");
    let more = json!({ "dest_s3_key": "s3://cold/y", "dest_aws_conn_id": "archive" });
    run(&host, "cat", more).unwrap();
    assert_eq!(host.object("archive", "cold", "y"), Some(b"x".to_vec()));
}

#[test]
fn a_missing_source_is_named() {
    let error = run(&host("x"), "cat", json!({ "source_s3_key": "s3://lake/gone" })).unwrap_err();
    assert!(error.message.contains("`gone`"), "{error}");
    assert_eq!(output(&host("x")), None);
}
