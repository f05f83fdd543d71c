//! The scratch folder is like any folder, bounded, and the only one there is.

use serde_json::json;

use crate::support::{assert_alive, assert_limit, misbehave, sandbox, value};

#[tokio::test]
async fn a_guest_sees_no_environment_and_no_files_of_the_host() {
    let sandbox = sandbox();
    let (report, _) = misbehave(&sandbox, json!({ "do": "environment" }), |_| {}).await;
    assert_eq!(*value(&report), json!({ "variables": [], "arguments": [] }));
    let (report, _) = misbehave(&sandbox, json!({ "do": "list", "path": "/" }), |_| {}).await;
    assert_eq!(*value(&report), json!(["/tmp"]));
    for path in ["/etc/passwd", "../../../../etc/passwd", "/tmp/../../etc/passwd", "/proc/self/environ"] {
        let (report, _) = misbehave(&sandbox, json!({ "do": "read", "path": path }), |_| {}).await;
        assert!(value(&report)["error"].is_string(), "{path}: {:?}", report.result);
    }
}

#[tokio::test]
async fn ordinary_programs_find_an_ordinary_folder() {
    let (report, _) = misbehave(&sandbox(), json!({ "do": "scratch" }), |_| {}).await;
    assert_eq!(
        *value(&report),
        json!({
            "content": "hello world!", "names": ["b.txt", "c.txt", "deep"], "size": 11, "other": "hello there",
            "missing": true, "not_empty": true, "relative": "r",
        })
    );
}

#[tokio::test]
async fn nothing_is_left_for_the_next_try() {
    let sandbox = sandbox();
    let (report, _) = misbehave(&sandbox, json!({ "do": "fill", "bytes": 100_000 }), |_| {}).await;
    assert_eq!(*value(&report), json!(100_000));
    let (report, _) = misbehave(&sandbox, json!({ "do": "list", "path": "/tmp" }), |_| {}).await;
    assert_eq!(*value(&report), json!([]));
}

#[tokio::test]
async fn the_scratch_folder_ends_at_its_limit_whichever_way_it_is_filled() {
    let sandbox = sandbox();
    for fill in [
        json!({ "do": "fill", "bytes": 64 << 20 }),
        json!({ "do": "fill-and-unlink", "bytes": 600_000, "files": 10 }),
        json!({ "do": "many-files", "count": 100_000 }),
        json!({ "do": "sparse", "bytes": 1_u64 << 40 }),
    ] {
        let (report, _) = misbehave(&sandbox, fill, |limits| limits.scratch_bytes = 1 << 20).await;
        assert_limit(&report, "scratch_bytes", 1 << 20);
    }
    assert_alive(&sandbox).await;
}
