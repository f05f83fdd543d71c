//! Beside a hostile try others go on, and a try that is to end ends.

use std::sync::Arc;

use airlock_core::outcome::{FailureCause, TryResult};
use airlock_sandbox::EngineOptions;
use serde_json::json;

use crate::support::{Services, assert_alive, call, failure, options, sandbox, value};

/// On one thread, which a guest that never yields would have for itself.
#[tokio::test(flavor = "current_thread")]
async fn tries_beside_an_endless_loop_make_progress() {
    let sandbox = Arc::new(sandbox());
    let services = Arc::new(Services::default());
    let hostile: Vec<_> = (0..3)
        .map(|_| {
            let mut call = call("hostile", json!({ "do": "loop" }), &services);
            call.limits.cpu_ms = 400;
            let sandbox = sandbox.clone();
            tokio::spawn(async move { sandbox.call(call).await })
        })
        .collect();
    let mut done = 0;
    while hostile.iter().any(|hostile| !hostile.is_finished()) {
        let report = sandbox.call(call("hostile", json!({ "do": "compute", "rounds": 100 }), &services)).await;
        assert!(value(&report).is_number());
        done += 1;
    }
    // 1,200 ms of loops in turns of 10 ms, and between the turns of all three a call gets through.
    assert!(done >= 15, "only {done} calls got through");
    for hostile in hostile {
        assert_eq!(failure(&hostile.await.unwrap()).cause, FailureCause::Limit);
    }
}

#[tokio::test]
async fn cancelling_ends_a_loop_and_a_wait() {
    let sandbox = Arc::new(sandbox());
    for deed in [json!({ "do": "loop" }), json!({ "do": "sleep", "ms": 3_600_000 })] {
        let services = Arc::new(Services::default());
        let call = call("hostile", deed, &services);
        let cancel = call.cancel.clone();
        let running = tokio::spawn({
            let sandbox = sandbox.clone();
            async move { sandbox.call(call).await }
        });
        tokio::task::yield_now().await;
        cancel.cancel();
        let report = running.await.unwrap();
        assert_eq!(failure(&report).cause, FailureCause::Cancelled);
    }
    assert_alive(&sandbox).await;
}

#[tokio::test]
async fn calls_beyond_the_slots_wait_for_their_turn() {
    let mut options = options();
    options.engine.slots = 2;
    let sandbox = Arc::new(airlock_sandbox::Sandbox::new(options).unwrap());
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let (sandbox, services) = (sandbox.clone(), Arc::new(Services::default()));
            tokio::spawn(
                async move { sandbox.call(call("hostile", json!({ "do": "sleep", "ms": 5 }), &services)).await },
            )
        })
        .collect();
    for call in calls {
        assert!(value(&call.await.unwrap()).is_null());
    }
}

/// Where address space is scarce, the pool is not there.
#[tokio::test]
async fn without_a_pool_everything_works_as_well() {
    let mut options = options();
    options.engine = EngineOptions { pooling: false, ..options.engine };
    let sandbox = airlock_sandbox::Sandbox::new(options).unwrap();
    assert_alive(&sandbox).await;
}

#[tokio::test]
async fn an_unknown_module_is_the_hosts_failure() {
    let mut call = call("noop", json!({}), &Arc::new(Services::default()));
    call.module = airlock_core::digest::Digest::of(b"nothing");
    let report = sandbox().call(call).await;
    assert!(matches!(report.result, TryResult::Failure(failure) if failure.cause == FailureCause::Host));
}
