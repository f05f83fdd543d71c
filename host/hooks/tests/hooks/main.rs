//! The hooks against real databases, servers and stores on loopback.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod http;
mod mariadb;
mod object_store;
mod postgres;
mod sqlite;
mod support;
mod test_connection;
