use airlock_sdk::testing::Host;

use super::*;

#[test]
fn it_waits_for_the_event_and_leaves_its_payload() {
    let host = Host::new();
    let Ok(Outcome::Defer(deferral)) = host.execute::<Operator>(json!({ "name": "go" })) else { panic!("it defers") };
    assert_eq!(deferral.trigger, Trigger::PostedEvent("go".into()));
    let resume = |event| host.resume::<Operator>(deferral.state.clone(), event);
    assert_eq!(resume(Event::Fired(json!({ "by": "ann" }))), Ok(Outcome::Success(Some(json!({ "by": "ann" })))));
    assert_eq!(resume(Event::TimedOut), Ok(Outcome::reschedule()));
    assert_eq!(resume(Event::Failed("no".into())), Err(Error::fail("no")));
}
