//! Filters, orders and pages of lists. What comes from a request is always bound, never part of a statement's text: texts are
//! put together from constants of this crate only, and this is the one place that does so.

use airlock_core::id::TenantId;
use airlock_store::runs::{Range, Span};
use airlock_store::{Page, Pattern, StoreError};
use serde_json::Value;
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{Arguments, AssertSqlSafe, Sqlite};

use crate::error::Result;
use crate::row::micros;

/// What a list can be ordered by: the names that requests use, and the expressions that they stand for.
pub type Orders = &'static [(&'static str, &'static str)];

enum Bound {
    Integer(i64),
    Text(String),
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
        Self { from: format!("{from} WHERE {tenant} = ?"), bound: vec![Bound::Integer(id.0)] }
    }

    /// A condition without a value.
    pub fn condition(&mut self, condition: &'static str) {
        self.from.push_str(" AND ");
        self.from.push_str(condition);
    }

    /// A condition with one `?`.
    pub fn text(&mut self, condition: &'static str, value: impl Into<String>) {
        self.condition(condition);
        self.bound.push(Bound::Text(value.into()));
    }

    /// A condition with one `?`.
    pub fn integer(&mut self, condition: &'static str, value: i64) {
        self.condition(condition);
        self.bound.push(Bound::Integer(value));
    }

    pub fn equal(&mut self, condition: &'static str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(condition, value);
        }
    }

    /// A condition with one `?` for a JSON array, as in `column IN (SELECT value FROM json_each(?))`. No values: no condition.
    pub fn any(&mut self, condition: &'static str, values: impl IntoIterator<Item = impl Into<Value>>) {
        let mut values = values.into_iter().peekable();
        if values.peek().is_some() {
            self.text(condition, Value::from_iter(values).to_string());
        }
    }

    /// As [`List::any`], but an empty list fits nothing.
    pub fn some(&mut self, condition: &'static str, values: Option<&[String]>) {
        if let Some(values) = values {
            self.text(condition, Value::from(values).to_string());
        }
    }

    pub fn like(&mut self, column: &'static str, pattern: &Pattern) {
        let parts = pattern.parts.iter().map(|part| format!("%{part}%")).collect();
        self.any_of(&format!("{column} LIKE ?"), parts);
        self.any_of(&format!("instr({column}, ?) = 1"), pattern.prefixes.clone());
    }

    /// A condition with one `?` that any of these texts meets. No texts: no condition.
    fn any_of(&mut self, condition: &str, texts: Vec<String>) {
        if !texts.is_empty() {
            self.from.push_str(&format!(" AND ({})", vec![condition; texts.len()].join(" OR ")));
            self.bound.extend(texts.into_iter().map(Bound::Text));
        }
    }

    /// A span of lengths of time, in seconds.
    pub fn range(&mut self, expression: &'static str, range: &Range) {
        for (operator, bound) in [(">=", range.gte), (">", range.gt), ("<=", range.lte), ("<", range.lt)] {
            if let Some(bound) = bound {
                self.from.push_str(&format!(" AND {expression} {operator} ?"));
                self.bound.push(Bound::Real(bound));
            }
        }
    }

    pub fn span(&mut self, column: &'static str, span: &Span) {
        for (operator, bound) in [(">=", span.gte), (">", span.gt), ("<=", span.lte), ("<", span.lt)] {
            if let Some(bound) = bound {
                self.from.push_str(&format!(" AND {column} {operator} ?"));
                self.bound.push(Bound::Integer(micros(bound)));
            }
        }
    }

    /// One page of rows, and how many there are in all.
    pub async fn fetch(
        self,
        connection: &mut SqliteConnection,
        columns: &'static str,
        orders: Orders,
        default_order: &'static str,
        page: &Page,
    ) -> Result<(Vec<SqliteRow>, u64)> {
        let order = order_by(orders, default_order, page)?;
        let rows = format!(
            "SELECT {columns} {} ORDER BY {order} LIMIT {} OFFSET {}",
            self.from,
            i64::from(page.limit),
            i64::from(page.offset)
        );
        let count = format!("SELECT count(*) {}", self.from);
        let total: i64 = sqlx::query_scalar_with::<Sqlite, i64, _>(AssertSqlSafe(count), self.arguments()?)
            .persistent(false)
            .fetch_one(&mut *connection)
            .await?;
        let rows =
            sqlx::query_with(AssertSqlSafe(rows), self.arguments()?).persistent(false).fetch_all(connection).await?;
        Ok((rows, total.unsigned_abs()))
    }

    fn arguments(&self) -> Result<SqliteArguments> {
        let mut arguments = SqliteArguments::default();
        for bound in &self.bound {
            match bound {
                Bound::Integer(value) => arguments.add(*value),
                Bound::Text(value) => arguments.add(value.clone()),
                Bound::Real(value) => arguments.add(*value),
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
        // Where null stands is PostgreSQL's way, on both databases.
        order.push_str(if *descending { " DESC NULLS FIRST, " } else { " ASC NULLS LAST, " });
    }
    order.push_str(default_order);
    Ok(order)
}
