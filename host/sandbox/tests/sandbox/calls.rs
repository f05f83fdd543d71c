//! Calls that go well.

use std::sync::Arc;

use airlock_core::outcome::{Deferral, ResumeEvent, TryResult};
use airlock_core::trigger::Trigger;
use airlock_sandbox::Entry;
use serde_json::json;

use crate::support::{Services, TENANT, assert_alive, call, digest, fixture, misbehave, sandbox, value};

#[tokio::test]
async fn a_module_is_admitted_as_it_describes_itself() {
    let sandbox = sandbox();
    let admitted = sandbox.admit(TENANT, &fixture("hostile")).await.unwrap();
    assert_eq!((admitted.name.as_str(), admitted.version.as_str()), ("hostile", "1.0.0"));
    assert_eq!(admitted.template_fields, ["do"]);
    assert!(admitted.imports.iter().any(|import| import == "airlock:operator/xcom@0.1.0"), "{:?}", admitted.imports);
    assert_alive(&sandbox).await;
}

#[tokio::test]
async fn a_try_sees_its_context_and_reports_its_usage() {
    let (report, _) = misbehave(&sandbox(), json!({ "do": "context" }), |_| {}).await;
    assert_eq!(
        *value(&report),
        json!({
            "dag_id": "nightly", "task_id": "hostile", "try_number": 2,
            "logical_date": 1_767_225_600, "params": { "region": "eu" },
        })
    );
    assert_eq!(report.usage.host_calls, 1);
    assert!(report.usage.peak_memory_bytes > 0);
    assert!(report.usage.cpu > std::time::Duration::ZERO);
}

#[tokio::test]
async fn a_deferral_goes_out_and_its_event_comes_back() {
    let sandbox = sandbox();
    let (report, services) = misbehave(&sandbox, json!({ "do": "defer" }), |_| {}).await;
    let deferral = Deferral {
        trigger: Trigger::After { milliseconds: 5_000 },
        state: json!({ "seen": 1 }),
        timeout_ms: Some(60_000),
    };
    assert_eq!(report.result, TryResult::Defer { deferral: deferral.clone() });

    let mut resume = call("hostile", json!({}), &services);
    let event = ResumeEvent::Fired { payload: json!([1]) };
    resume.entry = Entry::Resume { state: deferral.state, event };
    let report = sandbox.call(resume).await;
    assert_eq!(*value(&report), json!({ "state": "{\"seen\":1}", "event": { "fired": "[1]" } }));
}

#[tokio::test]
async fn a_value_is_pushed_while_the_try_runs() {
    let (report, services) = misbehave(&sandbox(), json!({ "do": "push", "key": "k", "bytes": 3 }), |_| {}).await;
    assert_eq!(*value(&report), json!("pushed"));
    assert_eq!(services.xcoms.lock().unwrap()["k"], json!("xxx"));
}

#[tokio::test]
async fn many_calls_run_at_once() {
    let sandbox = Arc::new(sandbox());
    let calls = (0..100).map(|_| {
        let (sandbox, services) = (sandbox.clone(), Arc::new(Services::default()));
        tokio::spawn(async move { sandbox.call(call("noop", json!({}), &services)).await })
    });
    for report in futures::future::join_all(calls).await {
        assert_eq!(report.unwrap().result, TryResult::Success { value: None, length: None });
    }
}

#[tokio::test]
async fn the_floor_can_be_measured() {
    let sandbox = sandbox();
    let module = digest(&fixture("noop"));
    assert!(sandbox.bare_loop(TENANT, module, 10).await.unwrap() > std::time::Duration::ZERO);
    assert!(sandbox.call_loop(TENANT, module, 10).await.unwrap() > std::time::Duration::ZERO);
}
