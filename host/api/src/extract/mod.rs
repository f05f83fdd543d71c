//! What handlers take from a request: each extractor refuses with a [`crate::problem::Problem`] that says what is wrong.

mod cursor;
mod document;
mod durations;
mod instant;
mod json;
mod mask;
mod page;
mod path;
mod principal;
mod query;
mod spans;
mod unsupported;

pub use cursor::CursorQuery;
pub use document::Document;
pub use durations::Durations;
pub use instant::Instant;
pub use json::{Patch, ValidJson, read_json, refuse_rest};
pub use mask::UpdateMask;
pub use page::{Order, PageQuery, pattern};
pub use path::Path;
pub use principal::Principal;
pub use query::Query;
pub use spans::{Spans, span};
pub use unsupported::Unsupported;
