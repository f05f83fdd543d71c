//! MariaDB.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use anyhow::{Context, Result};
use url::Url;

use crate::Database;
use crate::server::{self, Server, Start};

/// Names a server that is there already.
pub const MARIADB_URL: &str = "AIRLOCK_TEST_MARIADB_URL";

const USER: &str = "mysql";
const LOGIN: &str = "airlock";
const PASSWORD: &str = "airlock-test";

static SHARED: Mutex<Option<Server>> = Mutex::new(None);

/// A fresh database, on the server of [`MARIADB_URL`] or on one that this process starts on first use.
///
/// # Errors
/// If MariaDB is not installed (the message says how to), does not start, or refuses the login of [`MARIADB_URL`].
pub fn mariadb() -> Result<Database> {
    Database::create(&server::shared(MARIADB_URL, &SHARED, start_mariadb)?, run_statement)
}

/// Starts a server of its own: with little memory, in a temporary folder, for as long as the value lives.
///
/// # Errors
/// If MariaDB is not installed (the message says how to) or does not start.
pub fn start_mariadb() -> Result<Server> {
    server::with_free_port(start_on)
}

/// What a server is started with, and what its system tables are made with.
const SETTINGS: [&str; 8] = [
    "--no-defaults",
    "--innodb-log-file-size=16M",
    "--innodb-buffer-pool-size=64M",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-doublewrite=0",
    "--innodb-flush-method=nosync",
    "--skip-name-resolve",
    "--skip-log-bin",
];

fn start_on(port: u16) -> Result<Server> {
    let grants = format!(
        "create user '{LOGIN}'@'127.0.0.1' identified by '{PASSWORD}';\n\
         grant all on *.* to '{LOGIN}'@'127.0.0.1' with grant option;\n"
    );
    let folder = server::folder("airlock-mariadb-", USER, &[("grants.sql", grants)])?;
    let data = folder.path().join("data");
    let mut command = server::as_user(USER, &program("mariadb-install-db")?);
    command.args(SETTINGS).arg(option("--datadir", &data));
    command.args(["--auth-root-authentication-method=normal", "--skip-test-db"]);
    server::run(&mut command)?;

    let mut arguments: Vec<_> = SETTINGS.into_iter().map(Into::into).collect();
    arguments.extend([
        option("--datadir", &data).into(),
        option("--init-file", &folder.path().join("grants.sql")).into(),
        option("--socket", &folder.path().join("socket")).into(),
        option("--pid-file", &folder.path().join("pid")).into(),
        "--bind-address=127.0.0.1".into(),
        format!("--port={port}").into(),
        "--max-connections=200".into(),
        "--character-set-server=utf8mb4".into(),
    ]);
    server::start(
        folder,
        Start {
            program: program("mariadbd")?,
            arguments,
            user: USER,
            stop_signal: "KILL",
            ready: "ready for connections",
            url: format!("mysql://{LOGIN}:{PASSWORD}@127.0.0.1:{port}/mysql"),
        },
    )
}

fn option(name: &str, path: &Path) -> String {
    format!("{name}={}", path.display())
}

fn run_statement(server: &str, statement: &str) -> Result<()> {
    let url = Url::parse(server).context("the address of the test server is not a URL")?;
    let mut client = Command::new(program("mariadb")?);
    client.args(["--no-defaults", "--batch", "--protocol=tcp", "--user", url.username()]);
    client.arg(format!("--host={}", url.host_str().unwrap_or("127.0.0.1")));
    client.arg(format!("--port={}", url.port().unwrap_or(3306)));
    client.env("MYSQL_PWD", url.password().unwrap_or_default()).args(["--execute", statement]);
    server::run(&mut client)
}

fn program(name: &str) -> Result<PathBuf> {
    server::find(&[PathBuf::from("/usr/sbin").join(name), PathBuf::from(name)], "mariadb-server")
}
