//! Pages of lists, in the terms of Airflow's API.

/// Which part of a list, and in which order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    pub limit: u32,
    pub offset: u32,
    /// Fields in order of weight, each with `true` for descending; the list's own order decides what they leave open. Null comes
    /// last, and first when descending. A field that the list does not know is a `Conflict` that names those it knows.
    pub order_by: Vec<(String, bool)>,
}

impl Default for Page {
    fn default() -> Self {
        Self { limit: 50, offset: 0, order_by: Vec::new() }
    }
}

/// One page, and how many rows there are in all.
#[derive(Clone, Debug, PartialEq)]
pub struct Paged<T> {
    pub items: Vec<T>,
    pub total: u64,
}
