//! The services start, serve and go.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::process::Command;

use airlock_test_services::{Database, mariadb, postgres, start_postgres};

fn psql(database: &Database, statement: &str) -> String {
    let output = Command::new("psql").args(["-At", "-c", statement, database.url()]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn every_caller_of_postgres_has_a_database_of_its_own() {
    let (one, other) = (postgres().unwrap(), postgres().unwrap());
    psql(&one, "create table mine (id int); insert into mine values (7)");
    assert_eq!(psql(&one, "select id from mine"), "7");
    assert_eq!(psql(&other, "select count(*) from pg_tables where tablename = 'mine'"), "0");
}

#[test]
fn mariadb_serves_its_login() {
    let database = mariadb().unwrap();
    let url = url::Url::parse(database.url()).unwrap();
    let output = Command::new("mariadb")
        .args(["--no-defaults", "--protocol=tcp", "--batch", "--skip-column-names", "--execute", "select 6 * 7"])
        .args([format!("--host={}", url.host_str().unwrap()), format!("--port={}", url.port().unwrap())])
        .args([format!("--user={}", url.username()), format!("--password={}", url.password().unwrap())])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), "42");
}

/// The supervisor of a server goes when its owner's end of the pipe closes, which the kernel does for a killed process too.
#[test]
fn a_server_that_is_dropped_leaves_no_process_and_no_file() {
    let server = start_postgres().unwrap();
    let port = server.url().rsplit(':').next().unwrap().split('/').next().unwrap().to_owned();
    let lists_port = |folder: &Path| {
        let pid_file = std::fs::read_to_string(folder.join("data/postmaster.pid")).unwrap_or_default();
        pid_file.lines().nth(3) == Some(port.as_str())
    };
    let entries = std::fs::read_dir(std::env::temp_dir()).unwrap();
    let folder = entries.map(|entry| entry.unwrap().path()).find(|path| lists_port(path)).unwrap();
    drop(server);
    assert!(!folder.exists());
    assert!(std::net::TcpStream::connect(format!("127.0.0.1:{port}")).is_err());
}

#[cfg(feature = "s3")]
#[test]
fn the_s3_server_answers() {
    use std::io::{Read, Write};
    let folder = tempfile::tempdir().unwrap();
    let server = airlock_test_services::s3(folder.path()).unwrap();
    let address = server.endpoint().strip_prefix("http://").unwrap().to_owned();
    let mut stream = std::net::TcpStream::connect(&address).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: s3\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("AccessDenied"), "{answer}");
    drop(server);
    assert!(std::net::TcpStream::connect(&address).is_err(), "the server still answers");
}
