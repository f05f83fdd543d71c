//! Moments, as the contract and as the standard library write them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::wit::types::Instant;

pub fn to_wit(moment: SystemTime) -> Instant {
    match moment.duration_since(UNIX_EPOCH) {
        Ok(after) => Instant { seconds: after.as_secs().cast_signed(), nanoseconds: after.subsec_nanos() },
        Err(error) => {
            let before = error.duration();
            // The fraction counts forward, also before 1970.
            match before.subsec_nanos() {
                0 => Instant { seconds: -before.as_secs().cast_signed(), nanoseconds: 0 },
                fraction => {
                    Instant { seconds: -before.as_secs().cast_signed() - 1, nanoseconds: 1_000_000_000 - fraction }
                }
            }
        }
    }
}

pub fn from_wit(instant: Instant) -> SystemTime {
    let whole = Duration::from_secs(instant.seconds.unsigned_abs());
    let start = if instant.seconds < 0 { UNIX_EPOCH - whole } else { UNIX_EPOCH + whole };
    start + Duration::from_nanos(instant.nanoseconds.into())
}
