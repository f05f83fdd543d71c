use airlock_sdk::testing::{Host, Said};

use super::*;

#[test]
fn it_says_what_has_happened() {
    let host = Host::new();
    let events = json!([
        { "asset": "s3://lake/sales", "extra": { "rows": 7 } },
        { "asset": { "uri": "s3://lake/eu", "name": "eu", "group": "regions" }, "alias": "regions" }
    ]);
    assert_eq!(host.execute::<Operator>(json!({ "events": events })), Ok(Outcome::done()));
    let extra = |value: Value| value.as_object().cloned().unwrap_or_default();
    let asset = Asset { group: Some("regions".into()), ..Asset::new("s3://lake/eu").named("eu") };
    assert_eq!(
        host.said(),
        [
            Said::Extra { outlet: "s3://lake/sales".into(), extra: extra(json!({ "rows": 7 })) },
            Said::ByAlias { alias: "regions".into(), asset, extra: extra(json!({})) },
        ]
    );
}

#[test]
fn an_asset_has_a_name() {
    let error = Host::new().execute::<Operator>(json!({ "events": [{ "asset": { "group": "g" } }] })).unwrap_err();
    assert_eq!((error.retryable, error.message.contains("`uri` or a `name`")), (false, true), "{error}");
}
