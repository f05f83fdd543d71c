//! `/tokens`: everybody their own, administrators all of the tenant.

pub mod create;
pub mod delete;
pub mod list;
