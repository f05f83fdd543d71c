//! Filters, orders and pages of lists. What comes from a request is always bound, never part of a statement's text: texts are
//! put together from constants of this crate only, and this is the one place that does so.

use airlock_core::id::TenantId;
use airlock_store::runs::{Range, Span};
use airlock_store::{Page, Pattern, StoreError};
use chrono::{DateTime, Utc};
use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use sqlx::{Arguments, AssertSqlSafe, Postgres};

use crate::error::Result;

/// What a list can be ordered by: the names that requests use, and the expressions that they stand for.
pub type Orders = &'static [(&'static str, &'static str)];

/// A value of a condition.
pub enum Bound {
    Integer(i64),
    Integers(Vec<i64>),
    Text(String),
    Texts(Vec<String>),
    Flag(bool),
    Instant(DateTime<Utc>),
    Real(f64),
}

/// A `SELECT` on its way.
pub struct List {
    from: String,
    bound: Vec<Bound>,
}

impl List {
    /// `from` starts with `FROM`, and `tenant` is the column that holds its rows' tenant.
    pub fn new(from: &'static str, tenant: &'static str, id: TenantId) -> Self {
        Self { from: format!("{from} WHERE {tenant} = $1"), bound: vec![Bound::Integer(id.0)] }
    }

    /// A condition with one `?`.
    pub fn condition(&mut self, condition: &'static str, value: Bound) {
        self.bound.push(value);
        self.from.push_str(" AND ");
        self.from.push_str(&condition.replace('?', &format!("${}", self.bound.len())));
    }

    pub fn equal(&mut self, condition: &'static str, value: Option<&str>) {
        if let Some(value) = value {
            self.condition(condition, Bound::Text(value.to_owned()));
        }
    }

    /// A condition with one `?` for an array, as in `column = ANY (?)`. No values: no condition.
    pub fn any<'a>(&mut self, condition: &'static str, values: impl IntoIterator<Item = &'a str>) {
        let values: Vec<String> = values.into_iter().map(str::to_owned).collect();
        if !values.is_empty() {
            self.condition(condition, Bound::Texts(values));
        }
    }

    /// As [`List::any`], of numbers.
    pub fn any_number(&mut self, condition: &'static str, values: &[impl Into<i64> + Copy]) {
        if !values.is_empty() {
            self.condition(condition, Bound::Integers(values.iter().map(|value| (*value).into()).collect()));
        }
    }

    /// As [`List::any`], but an empty list fits nothing.
    pub fn some(&mut self, condition: &'static str, values: Option<&[String]>) {
        if let Some(values) = values {
            self.condition(condition, Bound::Texts(values.to_vec()));
        }
    }

    pub fn like(&mut self, column: &'static str, pattern: &Pattern) {
        let parts = pattern.parts.iter().map(|part| format!("%{part}%")).collect();
        self.any_of(&format!("{column} ILIKE ? ESCAPE ''"), parts);
        self.any_of(&format!("starts_with({column}, ?)"), pattern.prefixes.clone());
    }

    /// A condition with one `?` that any of these texts meets. No texts: no condition.
    fn any_of(&mut self, condition: &str, texts: Vec<String>) {
        let conditions = texts.into_iter().map(|text| {
            self.bound.push(Bound::Text(text));
            condition.replace('?', &format!("${}", self.bound.len()))
        });
        let conditions = conditions.collect::<Vec<_>>().join(" OR ");
        if !conditions.is_empty() {
            self.from.push_str(&format!(" AND ({conditions})"));
        }
    }

    /// A span of lengths of time, in seconds.
    pub fn range(&mut self, expression: &'static str, range: &Range) {
        for (operator, bound) in [(">=", range.gte), (">", range.gt), ("<=", range.lte), ("<", range.lt)] {
            if let Some(bound) = bound {
                self.bound.push(Bound::Real(bound));
                self.from.push_str(&format!(" AND {expression} {operator} ${}", self.bound.len()));
            }
        }
    }

    pub fn span(&mut self, column: &'static str, span: &Span) {
        for (operator, bound) in [(">=", span.gte), (">", span.gt), ("<=", span.lte), ("<", span.lt)] {
            if let Some(bound) = bound {
                self.bound.push(Bound::Instant(bound));
                self.from.push_str(&format!(" AND {column} {operator} ${}", self.bound.len()));
            }
        }
    }

    /// One page of rows, and how many there are in all.
    pub async fn fetch(
        self,
        connection: &mut PgConnection,
        columns: &'static str,
        orders: Orders,
        default_order: &'static str,
        page: &Page,
    ) -> Result<(Vec<PgRow>, u64)> {
        let order = order_by(orders, default_order, page)?;
        let rows = format!(
            "SELECT {columns} {} ORDER BY {order} LIMIT {} OFFSET {}",
            self.from,
            i64::from(page.limit),
            i64::from(page.offset)
        );
        let count = format!("SELECT count(*) {}", self.from);
        let total: i64 = sqlx::query_scalar_with::<Postgres, i64, _>(AssertSqlSafe(count), self.arguments()?)
            .persistent(false)
            .fetch_one(&mut *connection)
            .await?;
        let rows =
            sqlx::query_with(AssertSqlSafe(rows), self.arguments()?).persistent(false).fetch_all(connection).await?;
        Ok((rows, total.unsigned_abs()))
    }

    fn arguments(&self) -> Result<PgArguments> {
        let mut arguments = PgArguments::default();
        for bound in &self.bound {
            match bound {
                Bound::Integer(value) => arguments.add(value),
                Bound::Integers(values) => arguments.add(values),
                Bound::Text(value) => arguments.add(value),
                Bound::Texts(values) => arguments.add(values),
                Bound::Flag(value) => arguments.add(value),
                Bound::Instant(value) => arguments.add(value),
                Bound::Real(value) => arguments.add(value),
            }
            .map_err(sqlx::Error::Encode)?;
        }
        Ok(arguments)
    }
}

fn order_by(orders: Orders, default_order: &'static str, page: &Page) -> Result<String> {
    let mut order = String::new();
    for (field, descending) in &page.order_by {
        let Some((_, expression)) = orders.iter().find(|(name, _)| name == field) else {
            let valid = orders.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
            return Err(StoreError::Conflict(format!("cannot order by `{field}`; valid are {valid}")).into());
        };
        order.push_str(expression);
        order.push_str(if *descending { " DESC NULLS FIRST, " } else { " ASC NULLS LAST, " });
    }
    order.push_str(default_order);
    Ok(order)
}
