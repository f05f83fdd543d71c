//! Waits for an event that somebody posts.

use airlock_sdk::prelude::*;

/// What to wait for.
#[arguments]
struct EventSensor {
    /// The event's name, such as `approved-{{ run_id }}`.
    name: String,
}

/// Waits until an event of this name is posted to the API.
///
/// It holds neither a slot nor memory, and nobody polls. The event's payload becomes the XCom `return_value`.
#[operator(name = "event-sensor", kind = sensor, template_fields(name), resume = posted)]
fn event_sensor(arguments: EventSensor) -> Result<Outcome> {
    log::info!("waiting for the event {}", arguments.name);
    Outcome::defer(Trigger::PostedEvent(arguments.name), ())
}

fn posted(_: (), event: Event) -> Result<Outcome> {
    match event {
        Event::Fired(payload) => Ok(Outcome::Success(Some(payload))),
        Event::TimedOut => Ok(Outcome::reschedule()),
        Event::Failed(reason) => Err(Error::fail(reason)),
    }
}

#[cfg(test)]
mod tests;
