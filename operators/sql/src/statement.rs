//! What has to be known of a statement before it is sent.

use std::collections::BTreeMap;

use airlock_sdk::prelude::*;
use airlock_sdk::serde_json::Map;
use airlock_sdk::sql::{Dialect, SqlValue};

use crate::lexer::{Kind, Lexer};
use crate::values;

/// The statements of a text: what lies between the semicolons that are part of no string, comment or function body.
/// What holds nothing but comments is no statement.
pub fn split(text: &str, dialect: Dialect) -> Vec<&str> {
    let mut statements = Vec::new();
    let mut start = 0;
    let mut empty = true;
    for token in Lexer::new(text, dialect) {
        if token.kind != Kind::Semicolon {
            empty = false;
            continue;
        }
        if !empty {
            statements.push(&text[start..token.start]);
        }
        start = token.end;
        empty = true;
    }
    if !empty {
        statements.push(&text[start..]);
    }
    statements
}

/// Whether a statement answers with rows. The contract has one call for those that do and one for those that do not, and
/// databases say which it was only when it has run.
pub fn gives_rows(text: &str, dialect: Dialect) -> bool {
    let mut words = Lexer::new(text, dialect).filter(|token| token.kind == Kind::Word);
    let Some(first) = words.next() else { return false };
    let outer: Vec<String> =
        words.filter(|token| token.depth <= first.depth).map(|token| token.text.to_ascii_lowercase()).collect();
    let has = |word: &str| outer.iter().any(|outer| outer == word);
    let verb = first.text.to_ascii_lowercase();
    let verb = match verb.as_str() {
        // The verb of the statement follows the common table expressions.
        "with" => outer.iter().find(|word| is_verb(word)).map_or("", String::as_str),
        verb => verb,
    };
    match verb {
        "select" => !has("into"),
        "insert" | "update" | "delete" | "merge" | "replace" => has("returning"),
        "values" | "table" | "show" | "explain" | "describe" | "desc" | "pragma" | "call" | "fetch" => true,
        _ => false,
    }
}

fn is_verb(word: &str) -> bool {
    matches!(word, "select" | "insert" | "update" | "delete" | "merge" | "replace" | "values" | "table")
}

/// Puts the database's own placeholders where `:name` stands, and the values in their order.
pub fn bind_named(text: &str, named: &Map<String, Value>, dialect: Dialect) -> Result<(String, Vec<SqlValue>)> {
    let mut bound = String::with_capacity(text.len());
    let mut parameters = Vec::new();
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    let mut copied = 0;
    for token in Lexer::new(text, dialect).filter(|token| token.kind == Kind::Name) {
        let value = named.get(token.text).ok_or_else(|| unknown_name(token.text, named))?;
        let known = numbers.get(token.text).copied().filter(|_| dialect == Dialect::Postgres);
        let number = known.unwrap_or_else(|| {
            parameters.push(values::parameter(value));
            numbers.insert(token.text, parameters.len());
            parameters.len()
        });
        bound.push_str(&text[copied..token.start]);
        bound.push_str(&dialect.placeholder(number));
        copied = token.end;
    }
    bound.push_str(&text[copied..]);
    Ok((bound, parameters))
}

fn unknown_name(name: &str, named: &Map<String, Value>) -> Error {
    let known: Vec<_> = named.keys().map(|key| format!("`:{key}`")).collect();
    Error::fail(format!("the statement names `:{name}`, but `parameters` has only {}", known.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Dialect; 3] = [Dialect::Postgres, Dialect::Mysql, Dialect::Sqlite];

    #[test]
    fn splits_at_semicolons_outside_of_strings_and_comments() {
        for dialect in ALL {
            let text = "select ';', \"a;b\" -- no; not here\n; /* nor; here */ select 'it''s;' ;; -- end\n";
            let parts: Vec<_> = split(text, dialect).into_iter().map(str::trim).collect();
            assert_eq!(
                parts,
                ["select ';', \"a;b\" -- no; not here", "/* nor; here */ select 'it''s;'"],
                "{dialect:?}"
            );
        }
    }

    #[test]
    fn strings_end_where_the_dialect_ends_them() {
        // To MySQL the quote after the backslash is escaped; to the others the string is a backslash.
        assert_eq!(split(r"select '\'; x'", Dialect::Mysql).len(), 1);
        assert_eq!(split(r"select '\'; select 1", Dialect::Sqlite).len(), 2);
        assert_eq!(split(r"select E'\'; x'", Dialect::Postgres).len(), 1);
        assert_eq!(split("do $body$ begin; $1; end $body$; select $1", Dialect::Postgres).len(), 2);
        assert_eq!(split("select 1 /* a /* b */ ; */ ; select 2", Dialect::Postgres).len(), 2);
        assert_eq!(split("select 1 # a; b", Dialect::Mysql).len(), 1);
        assert_eq!(split("select 'not ended; ", Dialect::Postgres).len(), 1);
        assert_eq!(split("select 'ä€'; select \"ß;\"", Dialect::Postgres).len(), 2);
    }

    #[test]
    fn knows_what_gives_rows() {
        let rows = [
            "select 1",
            " -- why\n (SELECT 1) union (select 2)",
            "with a as (insert into t values (1) returning x) select * from a",
            "insert into t values (1) returning id",
            "values (1)",
            "pragma table_info(t)",
            "explain select 1",
        ];
        let none = [
            "insert into t select * from s",
            "with a as (select 1) insert into t select * from a",
            "with a as (select 1) delete from t where x in (select returning from a)",
            "update t set a = 'returning'",
            "create table t (x int)",
            "select * into u from t",
            "",
        ];
        for text in rows {
            assert!(gives_rows(text, Dialect::Postgres), "{text}");
        }
        for text in none {
            assert!(!gives_rows(text, Dialect::Postgres), "{text}");
        }
    }

    #[test]
    fn names_become_placeholders() {
        let named = json!({ "a": 1, "b": "x" });
        let named = named.as_object().unwrap();
        let text = "select ':a', x::text from t where a = :a and b = :b or c = :a";
        let (bound, parameters) = bind_named(text, named, Dialect::Postgres).unwrap();
        assert_eq!(bound, "select ':a', x::text from t where a = $1 and b = $2 or c = $1");
        assert_eq!(parameters, [SqlValue::from(1_i64), SqlValue::from("x")]);
        let (bound, parameters) = bind_named(text, named, Dialect::Mysql).unwrap();
        assert_eq!(bound, "select ':a', x::text from t where a = ? and b = ? or c = ?");
        assert_eq!(parameters.len(), 3);
        let error = bind_named("select :c", named, Dialect::Sqlite).unwrap_err();
        assert_eq!(error.message, "the statement names `:c`, but `parameters` has only `:a`, `:b`");
    }
}
