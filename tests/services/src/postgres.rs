//! PostgreSQL.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use anyhow::Result;

use crate::Database;
use crate::server::{self, Server, Start};

/// Names a server that is there already.
pub const POSTGRES_URL: &str = "AIRLOCK_TEST_POSTGRES_URL";

const USER: &str = "postgres";
const LOGIN: &str = "airlock";
const PASSWORD: &str = "airlock-test";

static SHARED: Mutex<Option<Server>> = Mutex::new(None);

/// A fresh database, on the server of [`POSTGRES_URL`] or on one that this process starts on first use.
///
/// # Errors
/// If PostgreSQL is not installed (the message says how to), does not start, or refuses the login of [`POSTGRES_URL`].
pub fn postgres() -> Result<Database> {
    Database::create(&server::shared(POSTGRES_URL, &SHARED, start_postgres)?, run_statement)
}

/// A fresh database on a server of the caller's, which may be restarted: what has been committed outlives the server's process, as
/// it does where people keep their data.
///
/// # Errors
/// If the server cannot be reached.
pub fn postgres_on(server: &Server) -> Result<Database> {
    let database = Database::create(server.url(), run_statement)?;
    let name = database.url().rsplit('/').next().unwrap_or_default();
    run_statement(server.url(), &format!("alter database {name} set synchronous_commit = on"))?;
    Ok(database)
}

/// Starts a server of its own: without fsync, in a temporary folder, for as long as the value lives.
///
/// # Errors
/// If PostgreSQL is not installed (the message says how to) or does not start.
pub fn start_postgres() -> Result<Server> {
    server::with_free_port(start_on)
}

/// Writes a database to a file, by `pg_dump`.
///
/// # Errors
/// If it is not installed, or in its own words.
pub fn dump_postgres(url: &str, file: &Path) -> Result<()> {
    let mut command = Command::new(program("pg_dump")?);
    server::run(command.args(["--format", "custom", "--file"]).arg(file).arg(url))
}

/// Fills an empty database with what [`dump_postgres`] wrote, by `pg_restore`.
///
/// # Errors
/// If it is not installed, or in its own words.
pub fn restore_postgres(url: &str, file: &Path) -> Result<()> {
    let mut command = Command::new(program("pg_restore")?);
    server::run(command.args(["--exit-on-error", "--no-owner", "--dbname", url]).arg(file))
}

fn start_on(port: u16) -> Result<Server> {
    let folder = server::folder("airlock-postgres-", USER, &[("password", PASSWORD.to_owned())])?;
    let data = folder.path().join("data");
    let mut command = server::as_user(USER, &program("initdb")?);
    command.arg("--pgdata").arg(&data).arg("--pwfile").arg(folder.path().join("password")).args(["--username", LOGIN]);
    command.args(["--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync"]);
    server::run(&mut command)?;

    let settings = [
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "max_connections=200",
        "shared_buffers=64MB",
        "fsync=off",
        "full_page_writes=off",
        "synchronous_commit=off",
        "logging_collector=off",
        "log_destination=stderr",
        // A test that has ended leaves logins half done, and dropping its database waits for them.
        "authentication_timeout=5s",
    ];
    let mut arguments = vec!["-D".into(), data.into_os_string(), "-p".into(), port.to_string().into()];
    arguments.extend(settings.into_iter().flat_map(|setting| ["-c".into(), setting.into()]));
    server::start(
        folder,
        Start {
            program: program("postgres")?,
            arguments,
            user: USER,
            // Ends at once, children included, and without writing anything out.
            stop_signal: "QUIT",
            ready: "database system is ready to accept connections",
            url: format!("postgres://{LOGIN}:{PASSWORD}@127.0.0.1:{port}/postgres"),
        },
    )
}

fn run_statement(server: &str, statement: &str) -> Result<()> {
    let mut psql = Command::new(program("psql")?);
    server::run(psql.args(["--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--command", statement]).arg(server))
}

fn program(name: &str) -> Result<PathBuf> {
    let mut candidates: Vec<PathBuf> = server::versioned_folders(Path::new("/usr/lib/postgresql"))
        .into_iter()
        .map(|folder| folder.join(name))
        .collect();
    candidates.push(PathBuf::from(name));
    server::find(&candidates, "postgresql")
}
