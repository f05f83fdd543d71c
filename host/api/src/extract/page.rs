//! Pages of lists.

use airlock_store::{Page, Pattern};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::problem::{Answer, Problem};

/// Airflow's `maximum_page_limit`.
const LARGEST_PAGE: u32 = 100;

/// Which part of a list.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct PageQuery {
    /// At most 100; more is taken as 100.
    pub limit: u32,
    pub offset: u32,
    /// Attributes to order by, by weight; a `-` before one is for descending order.
    pub order_by: Vec<String>,
}

impl Default for PageQuery {
    fn default() -> Self {
        Self { limit: 50, offset: 0, order_by: Vec::new() }
    }
}

/// The attributes that a list can be ordered by: as the API names them, and as the store does. Without a name in the store, an
/// attribute is the same of all.
pub type Order = [(&'static str, &'static str)];

impl PageQuery {
    /// # Errors
    /// 400 for an attribute that the list cannot be ordered by, as in Airflow.
    pub fn page(&self, order: &Order) -> Answer<Page> {
        let order_by = self.order_by.iter().filter(|text| !text.is_empty()).map(|text| {
            let (name, descending) = text.strip_prefix('-').map_or((text.as_str(), false), |name| (name, true));
            let known = order.iter().find(|(known, _)| *known == name);
            known.map(|(_, column)| ((*column).to_owned(), descending)).ok_or_else(|| {
                let names: Vec<_> = order.iter().map(|(name, _)| *name).collect();
                Problem::bad_request(format!("cannot order by `{name}`; possible are: {}", names.join(", ")))
            })
        });
        Ok(Page {
            limit: self.limit.min(LARGEST_PAGE),
            offset: self.offset,
            order_by: order_by
                .filter(|field| !matches!(field, Ok((column, _)) if column.is_empty()))
                .collect::<Answer<_>>()?,
        })
    }
}

/// `*_pattern` and `*_prefix_pattern` of a list.
pub fn pattern(part: &Option<String>, prefix: &Option<String>) -> Pattern {
    Pattern::new(part.as_deref(), prefix.as_deref())
}
