//! `/dags`, `/dagTags`, `/dagStats`, `/dagSources`.

mod catalogue;
pub mod delete;
pub mod details;
pub mod favorite;
pub mod get;
pub mod list;
pub mod next_runs;
pub mod patch;
pub mod put;
pub mod source;
pub mod stats;
pub mod tags;
pub mod validate;
