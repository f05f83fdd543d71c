//! What a guest's statements may not do to the process that runs them.

use airlock_sandbox::capability::sql::SqlError;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;

/// Bytes of one value, one row, and one statement.
const VALUE_BYTES: i32 = 64 << 20;
const STATEMENT_BYTES: i32 = 1 << 20;
/// Bytes of a pattern of `LIKE` or `GLOB`: matching one costs the square of its length.
const PATTERN_BYTES: i32 = 1_024;
/// Pages of a database in memory, of 4,096 bytes: 64 MiB.
const MEMORY_PAGES: u32 = 16 << 10;

/// Settings that concern this database and this session alone. Others reach further: `temp_store_directory` and
/// `hard_heap_limit` are of the whole process, `cache_size`, `mmap_size`, `threads` and `temp_store` take its memory, and
/// `writable_schema` and `trusted_schema` undo the protection of the others.
const PRAGMAS: [&str; 38] = [
    "application_id",
    "auto_vacuum",
    "busy_timeout",
    "collation_list",
    "compile_options",
    "data_version",
    "database_list",
    "defer_foreign_keys",
    "encoding",
    "foreign_key_check",
    "foreign_key_list",
    "foreign_keys",
    "freelist_count",
    "function_list",
    "ignore_check_constraints",
    "incremental_vacuum",
    "index_info",
    "index_list",
    "index_xinfo",
    "integrity_check",
    "journal_mode",
    "journal_size_limit",
    "locking_mode",
    "module_list",
    "optimize",
    "page_count",
    "page_size",
    "pragma_list",
    "query_only",
    "quick_check",
    "recursive_triggers",
    "reverse_unordered_selects",
    "synchronous",
    "table_info",
    "table_list",
    "table_xinfo",
    "user_version",
    "wal_checkpoint",
];

pub(super) fn set_up(connection: &Connection, in_memory: bool) -> Result<(), rusqlite::Error> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, VALUE_BYTES)?;
    connection.set_limit(Limit::SQLITE_LIMIT_SQL_LENGTH, STATEMENT_BYTES)?;
    connection.set_limit(Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, PATTERN_BYTES)?;
    connection.set_limit(Limit::SQLITE_LIMIT_WORKER_THREADS, 0)?;
    // Sorting and temporary tables spill to a file that has no name, and not into memory.
    connection.pragma_update(None, "temp_store", "file")?;
    if in_memory {
        connection.pragma_update(None, "max_page_count", MEMORY_PAGES)?;
    }
    connection.authorizer(Some(authorize))
}

/// SQLite asks before it runs anything, with the names as it has understood them: no spelling gets round it.
fn authorize(context: AuthContext<'_>) -> Authorization {
    let allowed = match context.action {
        // No name is a temporary file of SQLite's own, which is how `VACUUM` works. `VACUUM INTO` names one.
        AuthAction::Attach { filename } => filename.is_empty(),
        AuthAction::Pragma { pragma_name, .. } => {
            PRAGMAS.binary_search(&pragma_name.to_ascii_lowercase().as_str()).is_ok()
        }
        AuthAction::Function { function_name } => !function_name.eq_ignore_ascii_case("load_extension"),
        // A name that is computed, for `ATTACH`, and whatever later versions bring.
        AuthAction::Unknown { .. } => false,
        _ => true,
    };
    if allowed { Authorization::Allow } else { Authorization::Deny }
}

/// SQLite's own words for a refusal are only "not authorized".
pub(super) fn denial(message: &str) -> SqlError {
    SqlError::Denied(format!(
        "{message}: a statement may not attach another file, load an extension or change a setting of the whole process"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guarded() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        set_up(&connection, true).unwrap();
        connection
    }

    #[test]
    fn the_pragmas_are_in_order() {
        assert!(PRAGMAS.is_sorted());
    }

    #[test]
    fn other_files_cannot_be_reached() {
        let folder = tempfile::tempdir().unwrap();
        let other = folder.path().join("other.db");
        let other = other.to_str().unwrap();
        let connection = guarded();
        connection.execute_batch("create table t (x); insert into t values (1)").unwrap();
        for statement in [
            format!("attach '{other}' as other"),
            format!("ATTACH DATABASE 'file:{other}' AS other"),
            format!("attach '{other}' || '' as other"),
            format!("/* */ attach \"{other}\" as other"),
            format!("vacuum into '{other}'"),
            format!("vacuum main into '{other}' || ''"),
            "attach ':memory:' as other".to_owned(),
            format!("pragma temp_store_directory = '{}'", folder.path().display()),
            format!("select load_extension('{other}')"),
            "pragma hard_heap_limit = 1".to_owned(),
            "pragma main.cache_size = -100000000".to_owned(),
            "pragma max_page_count = 4294967294".to_owned(),
            "select * from pragma_hard_heap_limit(1)".to_owned(),
            "pragma writable_schema = on".to_owned(),
            "pragma temp_store = memory".to_owned(),
        ] {
            assert!(connection.execute_batch(&statement).is_err(), "{statement}");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn ordinary_work_goes_on() {
        let connection = guarded();
        connection
            .execute_batch(
                "create table t (x integer primary key, y text unique); insert into t (y) values ('a'), ('b');
                 create index i on t (y desc); create view v as select y from t; create temp table u as select * from t;
                 begin; savepoint s; update t set y = y || 'c'; rollback to s; commit;
                 with recursive n(i) as (select 1 union all select i + 1 from n where i < 10) select sum(i) from n;
                 analyze; reindex; vacuum; pragma foreign_keys = on; pragma user_version = 3; pragma table_info(t);
                 select * from pragma_table_info('t'); create virtual table f using fts5(z); alter table t add column w;
                 insert into f values ('words'); select json_extract('{\"a\": 1}', '$.a') from f where f match 'words';
                 drop table t;",
            )
            .unwrap();
    }

    #[test]
    fn memory_is_bounded() {
        let connection = guarded();
        assert!(connection.query_row("select length(zeroblob(100000000))", [], |row| row.get::<_, i64>(0)).is_err());
        connection.execute_batch("create table t (x)").unwrap();
        let filled = connection.execute_batch(
            "with recursive n(i) as (select 1 union all select i + 1 from n where i < 100)
             insert into t select zeroblob(1000000) from n",
        );
        assert!(filled.unwrap_err().to_string().contains("full"));
    }
}
