//! PostgreSQL, MariaDB and an S3 server for tests, on loopback and on free ports.
//!
//! [`postgres`] and [`mariadb`] give every caller a fresh database. The server behind it is the one that
//! `AIRLOCK_TEST_POSTGRES_URL` or `AIRLOCK_TEST_MARIADB_URL` names (a login that may create databases), or else one that
//! this process starts on first use. A test runner with one process for each test sets the variables, so that one server
//! serves all: [`start_postgres`] and [`start_mariadb`] are for it.
//!
//! A server that was started here ends, and its files go, when its owner ends in whatever way, `kill -9` included.

mod answer;
mod database;
mod mariadb;
mod postgres;
#[cfg(feature = "s3")]
mod s3;
mod server;

pub use answer::{answer, answer_with};
pub use database::Database;
pub use mariadb::{MARIADB_URL, mariadb, start_mariadb};
pub use postgres::{POSTGRES_URL, dump_postgres, postgres, postgres_on, restore_postgres, start_postgres};
#[cfg(feature = "s3")]
pub use s3::{S3, s3, s3_on};
pub use server::Server;
