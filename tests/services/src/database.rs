//! A database of one test.

use anyhow::{Context, Result};
use url::Url;
use uuid::Uuid;

/// An empty database. Dropping it drops the database.
pub struct Database {
    url: String,
    name: String,
    server: String,
    run: fn(server: &str, statement: &str) -> Result<()>,
}

impl Database {
    /// Its address, login and password included: `postgres://login:password@127.0.0.1:port/name`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Makes a database on the server, by a function that runs one statement there.
    pub(crate) fn create(server: &str, run: fn(&str, &str) -> Result<()>) -> Result<Self> {
        let name = format!("test_{}", Uuid::new_v4().simple());
        run(server, &format!("create database {name}")).context("cannot make a database for a test")?;
        let mut url = Url::parse(server).context("the address of the test server is not a URL")?;
        url.set_path(&name);
        Ok(Self { url: url.into(), name, server: server.to_owned(), run })
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // A database that stays behind harms nobody: its server is thrown away too.
        let force = if self.server.starts_with("postgres") { " with (force)" } else { "" };
        let _ = (self.run)(&self.server, &format!("drop database if exists {}{force}", self.name));
    }
}
