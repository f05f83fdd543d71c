use std::time::{Duration, UNIX_EPOCH};

use airlock_sdk::testing::Host;

use super::*;

fn event(seconds: u64) -> AssetEvent {
    AssetEvent {
        name: "sales".into(),
        uri: "s3://lake/sales".into(),
        group: "asset".into(),
        extra: [("at".to_owned(), json!(seconds))].into_iter().collect(),
        timestamp: UNIX_EPOCH + Duration::from_secs(seconds),
        source: None,
        source_aliases: Vec::new(),
        partition_key: None,
    }
}

fn read(arguments: Value) -> Result<Vec<u64>> {
    let host = Host::new().with_inlet("s3://lake/sales", [10, 20, 30].map(event));
    let Outcome::Success(Some(Value::Array(events))) = host.execute::<Operator>(arguments)? else {
        return Err(Error::fail("no list of events"));
    };
    Ok(events.iter().filter_map(|event| event["extra"]["at"].as_u64()).collect())
}

#[test]
fn it_reads_the_newest_events() {
    let inlet = "s3://lake/sales";
    assert_eq!(read(json!({ "inlet": inlet })), Ok(vec![10, 20, 30]));
    assert_eq!(read(json!({ "inlet": inlet, "limit": 2 })), Ok(vec![20, 30]));
    assert_eq!(read(json!({ "inlet": inlet, "after": "None", "before": "" })), Ok(vec![10, 20, 30]));
    let between = json!({ "inlet": inlet, "after": "1970-01-01T00:00:10Z", "before": "1970-01-01T00:00:30Z" });
    assert_eq!(read(between), Ok(vec![20]));
}

#[test]
fn what_is_no_inlet_fails_for_good() {
    let error = read(json!({ "inlet": "s3://lake/else" })).unwrap_err();
    assert_eq!((error.retryable, error.message.contains("no inlet")), (false, true), "{error}");
    assert!(read(json!({ "inlet": "s3://lake/sales", "after": "soon" })).is_err());
}
