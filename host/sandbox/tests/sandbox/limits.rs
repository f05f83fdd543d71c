//! Each limit ends a hostile try, says which one it was, and leaves the host as it was.

use std::time::Duration;

use airlock_core::outcome::FailureCause;
use airlock_sandbox::capability::task::LogSource;
use serde_json::json;

use crate::support::{assert_alive, assert_limit, assert_module_limit, components, failure, misbehave, sandbox, value};

#[tokio::test]
async fn an_endless_loop_ends_at_its_cpu_time() {
    let sandbox = sandbox();
    let (report, _) = misbehave(&sandbox, json!({ "do": "loop" }), |limits| limits.cpu_ms = 200).await;
    assert_limit(&report, "cpu_ms", 200);
    assert!(report.usage.cpu >= Duration::from_millis(200), "{:?}", report.usage);
    assert_alive(&sandbox).await;
}

#[tokio::test]
async fn an_endless_host_call_ends_at_its_wall_time_and_costs_no_cpu_time() {
    let sandbox = sandbox();
    let sleep = json!({ "do": "sleep", "ms": 3_600_000 });
    let (report, _) = misbehave(&sandbox, sleep, |limits| limits.wall_ms = 100).await;
    assert_limit(&report, "wall_ms", 100);
    assert!(report.usage.cpu < report.usage.wall, "{:?}", report.usage);
    assert_alive(&sandbox).await;
}

#[tokio::test]
async fn waiting_is_no_cpu_time() {
    let sleep = json!({ "do": "sleep", "ms": 300 });
    let (report, _) = misbehave(&sandbox(), sleep, |limits| limits.cpu_ms = 200).await;
    assert!(value(&report).is_null());
}

#[tokio::test]
async fn memory_ends_at_its_limit() {
    let sandbox = sandbox();
    let grow = json!({ "do": "memory", "bytes": 100 << 20 });
    let (report, _) = misbehave(&sandbox, grow.clone(), |limits| limits.memory_bytes = 32 << 20).await;
    assert_limit(&report, "memory_bytes", 32 << 20);
    assert!(report.usage.peak_memory_bytes <= 32 << 20);
    let (report, _) = misbehave(&sandbox, grow, |limits| limits.memory_bytes = 128 << 20).await;
    assert_eq!(*value(&report), json!(100));
    assert_alive(&sandbox).await;
}

#[tokio::test]
async fn several_memories_share_one_limit() {
    let bytes = components::with_cores(&[(components::memory(300), 4)]);
    assert_module_limit(bytes, |limits| limits.memory_bytes = 64 << 20, "memory_bytes", 64 << 20).await;
}

#[tokio::test]
async fn tables_end_at_their_limit() {
    let bytes = components::with_cores(&[(components::growing_table(), 1)]);
    assert_module_limit(bytes, |limits| limits.table_elements = 5_000, "table_elements", 5_000).await;
}

#[tokio::test]
async fn instances_end_at_their_limit() {
    let bytes = components::with_cores(&[(components::empty(), 100)]);
    assert_module_limit(bytes, |limits| limits.instances = 50, "instances", 50).await;
}

#[tokio::test]
async fn recursion_ends_at_the_stack() {
    let sandbox = sandbox();
    let (report, _) = misbehave(&sandbox, json!({ "do": "recurse" }), |_| {}).await;
    assert_limit(&report, "stack_bytes", 512 << 10);
    // Where frames lie in the module's own memory, that ends first, and the trap says what it may mean.
    let (report, _) = misbehave(&sandbox, json!({ "do": "recurse-in-memory" }), |_| {}).await;
    assert!(failure(&report).message.contains("recursion"), "{}", failure(&report).message);
    assert_alive(&sandbox).await;
}

#[tokio::test]
async fn a_smaller_stack_than_the_hosts_is_refused_rather_than_ignored() {
    let (report, _) = misbehave(&sandbox(), json!({ "do": "context" }), |limits| limits.stack_bytes = 64 << 10).await;
    assert_eq!(failure(&report).cause, FailureCause::Preparation);
    assert!(failure(&report).message.contains("`limits.stack_bytes`"), "{}", failure(&report).message);
}

#[tokio::test]
async fn floods_of_output_end_at_the_log_limit() {
    let sandbox = sandbox();
    for flood in [
        json!({ "do": "stdout", "bytes": 50 << 20 }),
        json!({ "do": "stderr", "bytes": 50 << 20 }),
        json!({ "do": "log", "records": 1_000_000 }),
        json!({ "do": "empty-lines", "lines": 1_000_000 }),
    ] {
        let (report, services) = misbehave(&sandbox, flood.clone(), |limits| limits.log_bytes = 100_000).await;
        assert_limit(&report, "log_bytes", 100_000);
        let written: usize = services.log.lock().unwrap().iter().map(|record| record.message.len() + 64).sum();
        assert!(written <= 100_000, "{flood}: {written}");
        assert!(report.usage.log_bytes <= 100_000);
    }
    assert_alive(&sandbox).await;
}

#[tokio::test]
async fn a_giant_result_ends_at_the_xcom_limit() {
    let giant = json!({ "do": "result", "bytes": 2 << 20 });
    let (report, _) = misbehave(&sandbox(), giant, |_| {}).await;
    assert_limit(&report, "xcom_bytes", 1 << 20);
}

#[tokio::test]
async fn a_giant_push_is_refused_and_noted() {
    let push = json!({ "do": "push", "key": "k", "bytes": 2 << 20 });
    let (report, services) = misbehave(&sandbox(), push, |_| {}).await;
    assert_eq!(*value(&report), json!({ "too-large": 1 << 20 }));
    assert!(services.xcoms.lock().unwrap().is_empty());
    let notes = services.lines(LogSource::Host);
    assert!(notes.iter().any(|note| note.contains("`xcom_bytes`")), "{notes:?}");
}

#[tokio::test]
async fn too_many_pushes_are_refused_and_noted() {
    let push = json!({ "do": "push-many", "count": 30 });
    let (report, services) = misbehave(&sandbox(), push, |limits| limits.xcom_count = 20).await;
    assert_eq!(*value(&report), json!({ "too-many": 20 }));
    assert_eq!(services.xcoms.lock().unwrap().len(), 20);
    let notes = services.lines(LogSource::Host);
    assert!(notes.iter().any(|note| note.contains("`xcom_count`")), "{notes:?}");
}

#[tokio::test]
async fn a_giant_argument_never_reaches_the_host() {
    let sandbox = sandbox();
    let push = json!({ "do": "push", "key": "k", "bytes": 16 << 20 });
    let (report, services) = misbehave(&sandbox, push, |_| {}).await;
    assert_limit(&report, "host_call_bytes", 4 << 20);
    assert!(services.xcoms.lock().unwrap().is_empty());
    assert_alive(&sandbox).await;
}

#[tokio::test]
async fn leaking_handles_ends_at_their_limit() {
    let sandbox = sandbox();
    for leak in ["buckets", "pollables", "open-files"] {
        let (report, _) =
            misbehave(&sandbox, json!({ "do": leak, "count": 1_000 }), |limits| limits.handles = 100).await;
        assert_limit(&report, "handles", 100);
    }
    assert_alive(&sandbox).await;
}

#[tokio::test]
async fn a_panic_is_a_trap_with_its_last_words() {
    let sandbox = sandbox();
    let (report, services) = misbehave(&sandbox, json!({ "do": "panic" }), |_| {}).await;
    let failure = failure(&report);
    assert_eq!((failure.cause, failure.retryable), (FailureCause::Trap, true));
    assert!(failure.message.contains("on purpose"), "{}", failure.message);
    assert!(failure.backtrace.as_ref().is_some_and(|text| text.contains("0: ")), "{failure:?}");
    assert!(services.lines(LogSource::Stderr).iter().any(|line| line.contains("panicked")));
    assert_alive(&sandbox).await;
}

#[tokio::test]
async fn leaving_by_exit_is_a_failure() {
    let (report, _) = misbehave(&sandbox(), json!({ "do": "exit" }), |_| {}).await;
    let failure = failure(&report);
    assert_eq!(failure.cause, FailureCause::Trap);
    assert!(failure.message.contains("exit("), "{}", failure.message);
}

#[tokio::test]
async fn an_answer_that_is_no_json_is_the_operators_failure() {
    let (report, _) = misbehave(&sandbox(), json!({ "do": "not-json" }), |_| {}).await;
    let failure = failure(&report);
    assert_eq!((failure.cause, failure.retryable), (FailureCause::Operator, false));
    assert!(failure.message.contains("no JSON"), "{}", failure.message);
}
