//! Spans of time in filters: `logical_date_gte`, `start_date_lt` ...

use airlock_store::runs::Span;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Instant;

/// `gte` and `lte` include their bound, `gt` and `lt` do not.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams, ToSchema)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct Spans {
    run_after_gte: Option<Instant>,
    run_after_gt: Option<Instant>,
    run_after_lte: Option<Instant>,
    run_after_lt: Option<Instant>,
    logical_date_gte: Option<Instant>,
    logical_date_gt: Option<Instant>,
    logical_date_lte: Option<Instant>,
    logical_date_lt: Option<Instant>,
    start_date_gte: Option<Instant>,
    start_date_gt: Option<Instant>,
    start_date_lte: Option<Instant>,
    start_date_lt: Option<Instant>,
    end_date_gte: Option<Instant>,
    end_date_gt: Option<Instant>,
    end_date_lte: Option<Instant>,
    end_date_lt: Option<Instant>,
    updated_at_gte: Option<Instant>,
    updated_at_gt: Option<Instant>,
    updated_at_lte: Option<Instant>,
    updated_at_lt: Option<Instant>,
}

pub fn span(gte: Option<Instant>, gt: Option<Instant>, lte: Option<Instant>, lt: Option<Instant>) -> Span {
    let instant = |bound: Option<Instant>| bound.map(|bound| bound.0);
    Span { gte: instant(gte), gt: instant(gt), lte: instant(lte), lt: instant(lt) }
}

impl Spans {
    pub fn run_after(&self) -> Span {
        span(self.run_after_gte, self.run_after_gt, self.run_after_lte, self.run_after_lt)
    }

    pub fn logical_date(&self) -> Span {
        span(self.logical_date_gte, self.logical_date_gt, self.logical_date_lte, self.logical_date_lt)
    }

    pub fn started_at(&self) -> Span {
        span(self.start_date_gte, self.start_date_gt, self.start_date_lte, self.start_date_lt)
    }

    pub fn ended_at(&self) -> Span {
        span(self.end_date_gte, self.end_date_gt, self.end_date_lte, self.end_date_lt)
    }

    pub fn updated_at(&self) -> Span {
        span(self.updated_at_gte, self.updated_at_gt, self.updated_at_lte, self.updated_at_lt)
    }
}
