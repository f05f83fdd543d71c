//! Spans of lengths of time in filters: `duration_gte`, `duration_lt` ...

use airlock_store::runs::Range;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// In seconds. `gte` and `lte` include their bound, `gt` and `lt` do not.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams, ToSchema)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct Durations {
    pub duration_gte: Option<f64>,
    pub duration_gt: Option<f64>,
    pub duration_lte: Option<f64>,
    pub duration_lt: Option<f64>,
}

impl Durations {
    pub fn range(&self) -> Range {
        Range { gte: self.duration_gte, gt: self.duration_gt, lte: self.duration_lte, lt: self.duration_lt }
    }
}
