//! Where a connection may go: names against the tenant's allow-list, then every resolved address against the blocked ranges.
//!
//! Checking names alone falls to DNS that answers a private address, and checking an address before connecting by name falls
//! to DNS that answers differently the second time. So a name is resolved once, all of its addresses must pass, and the
//! connection goes to those very addresses.

mod address;
mod host;
mod resolve;

pub use address::{AddressRules, check_address};
pub use host::{check_host, validate};
pub use resolve::{EgressError, Gate, Resolver, SystemResolver};
