//! DAGs: the document that people send, and what it means once it is valid.

mod model;

pub use model::*;
