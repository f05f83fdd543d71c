//! What operators say of assets, and read of their events.

use airlock_core::asset::OutletEvent;
use airlock_core::outcome::TryResult;
use airlock_sandbox::capability::task::LogSource;
use serde_json::json;

use crate::support::{assert_alive, misbehave, sandbox, value};

#[tokio::test]
async fn what_is_said_comes_with_the_report() {
    let (report, _) = misbehave(&sandbox(), json!({ "do": "say-all" }), |_| {}).await;
    let said = value(&report);
    assert_eq!((&said[0], &said[1]), (&json!("said"), &json!("said")));
    let refused = |place: usize, kind: &str, part: &str| {
        let text = said[place][kind].as_str().unwrap_or_default();
        assert!(text.contains(part), "{place}: {said}");
    };
    refused(2, "not-declared", "has `s3://lake/sales`, the alias `exports`");
    refused(3, "invalid", "no JSON object");
    refused(4, "invalid", "`exports` is an alias");
    refused(5, "invalid", "`sales` is an asset and no alias");
    refused(6, "invalid", "1 to 1500 printable ASCII characters");
    let [OutletEvent::Extra { uri, extra, .. }, OutletEvent::ByAlias { alias, asset, .. }] = &report.outlet_events[..]
    else {
        panic!("{:?}", report.outlet_events)
    };
    assert_eq!((uri.as_str(), &extra["rows"]), ("s3://lake/sales", &json!(7)));
    assert_eq!((alias.as_str(), asset.name.as_str(), asset.group.as_str()), ("exports", "eu", "asset"));
}

#[tokio::test]
async fn too_many_words_are_refused_and_noted() {
    let say = json!({ "do": "say", "count": 30, "bytes": 1 });
    let (report, services) = misbehave(&sandbox(), say, |limits| limits.asset_event_count = 20).await;
    assert_eq!(*value(&report), json!({ "too-many": 20 }));
    assert_eq!(report.outlet_events.len(), 20);
    let notes = services.lines(LogSource::Host);
    assert!(notes.iter().any(|note| note.contains("`asset_event_count`")), "{notes:?}");
}

#[tokio::test]
async fn too_much_said_is_refused_and_noted() {
    let sandbox = sandbox();
    let say = json!({ "do": "say", "count": 30, "bytes": 1_000 });
    let (report, services) = misbehave(&sandbox, say, |limits| limits.asset_event_bytes = 5_000).await;
    assert_eq!(*value(&report), json!({ "too-large": 5_000 }));
    assert_eq!(report.outlet_events.len(), 4);
    let notes = services.lines(LogSource::Host);
    assert!(notes.iter().any(|note| note.contains("`asset_event_bytes`")), "{notes:?}");
    assert_alive(&sandbox).await;
}

#[tokio::test]
async fn events_are_read_by_pages() {
    let sandbox = sandbox();
    let (report, _) = misbehave(&sandbox, json!({ "do": "read-events", "limit": 2 }), |_| {}).await;
    let read = value(&report);
    assert_eq!(read[0], json!([[1, "{\"number\":1}", []], [2, "{\"number\":2}", []]]));
    assert_eq!(read[1][0][2], json!(["exports"]));
    assert!(read[2]["not-declared"].as_str().unwrap().contains("no inlet `else`"), "{read}");
    for limit in [0, 1_001] {
        let (report, _) = misbehave(&sandbox, json!({ "do": "read-events", "limit": limit }), |_| {}).await;
        assert!(value(&report)[0]["invalid"].as_str().unwrap().contains("1 to 1000"), "{:?}", report.result);
    }
    let small = |limits: &mut airlock_core::limits::Limits| limits.host_call_bytes = 4_000;
    let (report, _) = misbehave(&sandbox, json!({ "do": "read-events", "limit": 1_000 }), small).await;
    assert!(value(&report)[0]["other"].as_str().unwrap().contains("ask for fewer"), "{:?}", report.result);
}

#[tokio::test]
async fn a_report_says_what_it_was_said_before() {
    let (report, _) = misbehave(&sandbox(), json!({ "do": "say-and-skip" }), |_| {}).await;
    assert_eq!((report.result, report.outlet_events.len()), (TryResult::Skip { reason: None }, 1));
}
