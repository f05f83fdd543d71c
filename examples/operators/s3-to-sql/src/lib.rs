//! Loads a CSV object into a table: an operator as anybody may write one.

use airlock_sdk::object_store::{Bucket, Location};
use airlock_sdk::prelude::*;
use airlock_sdk::sql::{Dialect, Session, SqlValue};

/// From where to where.
#[arguments]
struct S3ToSql {
    /// The connection to the object store.
    aws_conn_id: String,
    /// The object, such as `s3://bucket/orders.csv`. Its first line names the columns.
    s3_key: String,
    /// The connection to the database.
    sql_conn_id: String,
    /// The table that the rows go into.
    table: String,
}

/// Loads a CSV object into a table.
///
/// All rows are one transaction, so that a try that fails leaves none behind. The XCom `return_value` has the number of rows.
#[operator(name = "s3-to-sql", template_fields(s3_key, table))]
fn s3_to_sql(arguments: S3ToSql) -> Result<Value> {
    let location: Location = arguments.s3_key.parse().map_err(Error::fail)?;
    let object = Bucket::open(&arguments.aws_conn_id, location.bucket.as_deref())?.get(&location.key)?;
    let mut lines = csv::Reader::from_reader(object);
    let columns: Vec<String> = lines.headers().map_err(not_csv)?.iter().map(str::to_owned).collect();

    let session = Session::open(&arguments.sql_conn_id)?;
    let statement = insert(&arguments.table, &columns, session.dialect()?)?;
    let rows = session.transaction(|session| {
        let mut rows = 0;
        for line in lines.records() {
            let values: Vec<SqlValue> =
                line.map_err(not_csv)?.iter().map(|value| SqlValue::from(value.to_owned())).collect();
            rows += session.execute(&statement, &values)?;
        }
        Ok::<_, Error>(rows)
    })?;
    log::info!("loaded {rows} rows of {location} into {}", arguments.table);
    Ok(json!({ "rowcount": rows }))
}

/// Names cannot be parameters: only plain ones may stand in the statement.
fn insert(table: &str, columns: &[String], dialect: Dialect) -> Result<String> {
    let plain =
        |name: &str| !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    if let Some(name) = std::iter::once(table).chain(columns.iter().map(String::as_str)).find(|name| !plain(name)) {
        return Err(Error::fail(format!("`{name}` is no plain name of a table or column: letters, digits and _ are")));
    }
    let places: Vec<String> = (1..=columns.len()).map(|number| dialect.placeholder(number)).collect();
    Ok(format!("insert into {table} ({}) values ({})", columns.join(", "), places.join(", ")))
}

fn not_csv(error: csv::Error) -> Error {
    Error::fail(format!("the object is not CSV: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_no_names_are_refused() {
        let columns = ["id".to_owned(), "amount".to_owned()];
        assert_eq!(
            insert("orders", &columns, Dialect::Sqlite).unwrap(),
            "insert into orders (id, amount) values (?, ?)"
        );
        assert!(insert("orders; drop table orders", &columns, Dialect::Sqlite).is_err());
    }
}
