//! Airflow's `SQLExecuteQueryOperator`.

mod lexer;
mod statement;
mod values;

use airlock_sdk::prelude::*;
use airlock_sdk::serde_json::Map;
use airlock_sdk::sql::{Dialect, Session, SqlValue};

/// What is run, and what becomes of the result.
#[arguments]
struct Sql {
    /// The connection, of type `postgres`, `mysql` or `sqlite`.
    conn_id: String,
    /// One or more statements, as a text or as a list of texts.
    sql: Statements,
    /// Values for the statements' placeholders: a list for the database's own (`$1` in PostgreSQL, `?` in the others), or an
    /// object for `:name`.
    #[serde(default)]
    parameters: Option<Parameters>,
    /// Whether each statement stands for itself. If not, all are one transaction.
    #[serde(default)]
    autocommit: bool,
    /// Whether a text is split into statements at its semicolons. A text whose semicolons lie within a statement, such as the
    /// body of a trigger in SQLite, is sent whole with false.
    #[serde(default = "yes")]
    split_statements: bool,
    /// Whether, of the statements of one text, only the last one's result is kept.
    #[serde(default = "yes")]
    return_last: bool,
    /// What of a query's rows becomes the result.
    #[serde(default)]
    handler: Handler,
    /// A query with more rows than this fails the try: an XCom is no place for large results.
    #[serde(default = "default_row_limit")]
    row_limit: usize,
}

#[arguments]
#[serde(untagged)]
enum Statements {
    Text(String),
    List(Vec<String>),
}

#[arguments]
#[serde(untagged)]
enum Parameters {
    Positional(Vec<Value>),
    Named(Map<String, Value>),
}

/// What of a query's rows becomes the result.
#[arguments]
#[derive(Clone, Copy, Default, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Handler {
    /// A list of rows, each a list of values.
    #[default]
    FetchAll,
    /// The first row, a list of values; null without rows.
    FetchOne,
    /// The first value of the first row; null without rows.
    Scalar,
    /// A list of rows, each an object of values by column.
    Dicts,
    /// Nothing.
    None,
}

/// As much of a statement as the log holds: one with a megabyte of values must not use up the task's log.
fn excerpt(text: &str) -> String {
    match text.char_indices().nth(LOGGED_CHARACTERS) {
        Some((end, _)) => format!("{} ...", &text[..end]),
        None => text.to_owned(),
    }
}

const LOGGED_CHARACTERS: usize = 4000;

fn yes() -> bool {
    true
}

fn default_row_limit() -> usize {
    1000
}

/// Runs SQL statements over a connection.
///
/// All statements are one transaction unless `autocommit` is true. A query's result is its rows, shaped by `handler`; that
/// of any other statement is `{"rowcount": n}`. The result of a text is that of its last statement (with `return_last` false, a
/// list of all), the result of a list a list.
#[operator(name = "sql", template_fields(conn_id, sql, parameters))]
fn sql(arguments: Sql) -> Result<Option<Value>> {
    let session = Session::open(&arguments.conn_id)?;
    let dialect = session.dialect()?;
    let statements = arguments.statements(dialect);
    if statements.is_empty() {
        return Err(Error::fail("`sql` has no statement"));
    }
    let mut results = if arguments.autocommit {
        arguments.run_all(&session, &statements)?
    } else {
        session.transaction(|session| arguments.run_all(session, &statements))?
    };
    let only_last =
        matches!(arguments.sql, Statements::Text(_)) && (arguments.return_last || !arguments.split_statements);
    Ok(match arguments.handler {
        Handler::None => None,
        _ if only_last => results.pop(),
        _ => Some(results.into()),
    })
}

impl Sql {
    fn statements(&self, dialect: Dialect) -> Vec<&str> {
        let texts: Vec<&str> = match &self.sql {
            Statements::Text(text) if self.split_statements => statement::split(text, dialect),
            Statements::Text(text) => vec![text],
            Statements::List(texts) => texts.iter().map(String::as_str).collect(),
        };
        texts.into_iter().map(str::trim).filter(|text| !text.is_empty()).collect()
    }

    fn run_all(&self, session: &Session, statements: &[&str]) -> Result<Vec<Value>> {
        statements.iter().map(|text| self.run(session, text)).collect()
    }

    fn run(&self, session: &Session, text: &str) -> Result<Value> {
        log::info!("running: {}", excerpt(text));
        let dialect = session.dialect()?;
        let (text, parameters) = self.bind(text, dialect)?;
        // Without a handler the rows are nobody's, but the statement has to run to its end.
        if self.handler == Handler::None || !statement::gives_rows(&text, dialect) {
            let changed = session.execute(&text, &parameters)?;
            log::info!("{changed} rows changed");
            return Ok(json!({ "rowcount": changed }));
        }
        let mut rows = session.query(&text, &parameters)?;
        let only_first = matches!(self.handler, Handler::FetchOne | Handler::Scalar);
        let (found, more) = rows.collect(if only_first { 1 } else { self.row_limit })?;
        if more && !only_first {
            return Err(Error::fail(format!(
                "the query gives more than {} rows: aggregate in SQL, write into a table, or raise `row_limit`",
                self.row_limit
            )));
        }
        log::info!("{} rows fetched", found.len());
        let columns = rows.columns();
        drop(rows);
        let mut found = found.into_iter().map(values::row);
        Ok(match self.handler {
            Handler::FetchAll => found.collect(),
            Handler::FetchOne => found.next().into(),
            Handler::Scalar => found.next().and_then(|row| row.into_iter().next()).unwrap_or_default(),
            Handler::Dicts => found.map(|row| values::object(&columns, row)).collect(),
            Handler::None => Value::Null,
        })
    }

    /// The statement and its parameters as the database takes them.
    fn bind(&self, text: &str, dialect: Dialect) -> Result<(String, Vec<SqlValue>)> {
        match &self.parameters {
            None => Ok((text.to_owned(), Vec::new())),
            Some(Parameters::Positional(list)) => Ok((text.to_owned(), list.iter().map(values::parameter).collect())),
            Some(Parameters::Named(named)) => statement::bind_named(text, named, dialect),
        }
    }
}

#[cfg(test)]
mod tests;
