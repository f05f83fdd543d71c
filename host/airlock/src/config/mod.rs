//! Settings: defaults, then a file, then the environment, then flags. Each value knows where it comes from.
//!
//! A setting has one name: `worker_slots` in the file, `AIRLOCK_WORKER_SLOTS` in the environment, `--worker-slots` on the
//! command line. A name that is none of them is a fault wherever it stands, so that a misspelt one is never silently a default.

mod blobs;
mod keys;
mod layers;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use anyhow::Result;

pub use keys::Key;
pub use layers::{Origin, Sources, Value};

use crate::failure::Failure;

#[derive(Debug)]
pub struct Config {
    /// In the order of [`KEYS`]; a setting without default that nobody gave has none.
    values: Vec<(&'static keys::Key, Option<Value>)>,
}

impl Config {
    /// Puts the layers together.
    ///
    /// # Errors
    /// Every unknown name and unreadable value, with its place.
    pub fn load(sources: &Sources) -> Result<Self> {
        let values = layers::merge(sources)?;
        let config = Self { values };
        config.check()?;
        Ok(config)
    }

    /// The same with other values of some settings, for a server that a command starts for itself.
    #[must_use]
    pub fn with(&self, changes: &[(&str, String)]) -> Self {
        let changed = |key: &'static keys::Key, value: &Option<Value>| {
            let change = changes.iter().find(|(name, _)| *name == key.name);
            change
                .map_or_else(|| value.clone(), |(_, text)| Some(Value { text: text.clone(), origin: Origin::Default }))
        };
        Self { values: self.values.iter().map(|(key, value)| (*key, changed(key, value))).collect() }
    }

    pub fn entries(&self) -> impl Iterator<Item = (&'static keys::Key, Option<&Value>)> {
        self.values.iter().map(|(key, value)| (*key, value.as_ref()))
    }

    /// Reads every typed value once, so that faults show at the start and not when a value is first needed.
    fn check(&self) -> Result<()> {
        self.listen()?;
        self.listen_monitor()?;
        self.worker_slots()?;
        self.grace()?;
        self.lease()?;
        self.retention_interval()?;
        self.expose_config()?;
        self.output()?;
        self.blobs()?;
        self.database_connections()?;
        match self.text("log_format") {
            Some("text" | "json") | None => Ok(()),
            Some(other) => Err(self.fault("log_format", other, "`text` or `json`")),
        }
    }

    fn value(&self, key: &str) -> Option<&Value> {
        self.values.iter().find(|(known, _)| known.name == key).and_then(|(_, value)| value.as_ref())
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.value(key).map(|value| value.text.as_str())
    }

    fn parsed<T: FromStr>(&self, key: &str, expected: &str) -> Result<Option<T>> {
        self.text(key).map(|text| text.parse().map_err(|_| self.fault(key, text, expected))).transpose()
    }

    fn required<T: FromStr>(&self, key: &str, expected: &str) -> Result<T> {
        self.parsed(key, expected)?
            .ok_or_else(|| Failure::usage(format!("the setting `{key}` is missing: {expected}")).into())
    }

    fn fault(&self, key: &str, found: &str, expected: &str) -> anyhow::Error {
        let origin = self.value(key).map(|value| format!(" ({})", value.origin)).unwrap_or_default();
        Failure::usage(format!("the setting `{key}` is `{found}`{origin}; it must be {expected}")).into()
    }

    pub fn home(&self) -> PathBuf {
        PathBuf::from(self.text("home").unwrap_or("airlock-data"))
    }

    pub fn listen(&self) -> Result<SocketAddr> {
        self.required("listen", "an address and a port, such as `127.0.0.1:8080`")
    }

    /// Where metrics and health are answered, apart from the API.
    pub fn listen_monitor(&self) -> Result<Option<SocketAddr>> {
        self.parsed("listen_monitor", "an address and a port, such as `127.0.0.1:9464`")
    }

    pub fn database_url(&self) -> Option<&str> {
        self.text("database_url")
    }

    pub fn database_connections(&self) -> Result<u32> {
        const EXPECTED: &str = "a number from 2 to 1000";
        let connections: u32 = self.required("database_connections", EXPECTED)?;
        // LISTEN keeps one for itself.
        if (2..=1000).contains(&connections) {
            Ok(connections)
        } else {
            Err(self.fault("database_connections", &connections.to_string(), EXPECTED))
        }
    }

    /// The same database past a pooler.
    pub fn database_direct_url(&self) -> Option<&str> {
        self.text("database_direct_url")
    }

    /// The vault's keys as text, where they are not in the key file.
    pub fn vault_keys(&self) -> Option<&str> {
        self.text("vault_keys")
    }

    pub fn vault_file(&self) -> PathBuf {
        self.text("vault_file").map_or_else(|| self.home().join("vault.keys"), PathBuf::from)
    }

    /// The folder of compiled modules.
    pub fn compiled(&self) -> PathBuf {
        self.text("compiled").map_or_else(|| self.home().join("compiled"), PathBuf::from)
    }

    pub fn operators(&self) -> Option<PathBuf> {
        self.text("operators").map(PathBuf::from)
    }

    pub fn worker_slots(&self) -> Result<u32> {
        let slots = self.required("worker_slots", "a number from 1 to 10000")?;
        if (1..=10_000).contains(&slots) {
            Ok(slots)
        } else {
            Err(self.fault("worker_slots", &slots.to_string(), "a number from 1 to 10000"))
        }
    }

    pub fn queues(&self) -> Vec<String> {
        self.text("queues").unwrap_or("default").split(',').map(|name| name.trim().to_owned()).collect()
    }

    pub fn grace(&self) -> Result<Duration> {
        self.required("grace", "a number of whole seconds").map(Duration::from_secs)
    }

    /// How long a scheduler's or worker's lease lasts without a sign of life.
    pub fn lease(&self) -> Result<Duration> {
        self.required("lease", "a number of whole seconds").map(Duration::from_secs)
    }

    /// How long a scheduler waits between passes over what is too old.
    pub fn retention_interval(&self) -> Result<Duration> {
        let seconds = self.required("retention_interval", "a number of whole seconds, 1 or more")?;
        match seconds {
            0 => Err(self.fault("retention_interval", "0", "a number of whole seconds, 1 or more")),
            seconds => Ok(Duration::from_secs(seconds)),
        }
    }

    /// Whether the API may show the configuration to those who look after the system.
    pub fn expose_config(&self) -> Result<bool> {
        self.required("expose_config", "`true` or `false`")
    }

    pub fn url(&self) -> Option<&str> {
        self.text("url")
    }

    pub fn token(&self) -> Option<&str> {
        self.text("token")
    }

    pub fn output(&self) -> Result<crate::output::Format> {
        self.required("output", "`table`, `json`, `yaml` or `plain`")
    }

    pub fn log(&self) -> &str {
        self.text("log").unwrap_or("info")
    }

    /// Whether somebody chose what is logged.
    pub fn log_is_set(&self) -> bool {
        self.value("log").is_some_and(|value| value.origin != Origin::Default)
    }

    pub fn logs_are_json(&self) -> bool {
        self.text("log_format") == Some("json")
    }
}

/// The configuration file that applies where none is named, if there is one.
pub fn default_file() -> Option<PathBuf> {
    let here = Path::new("airlock.toml").to_path_buf();
    let users = user_folder().map(|folder| folder.join("config.toml"));
    [Some(here), users].into_iter().flatten().find(|path| path.is_file())
}

/// The folder for this user's own files of Airlock.
pub fn user_folder() -> Option<PathBuf> {
    folder("XDG_CONFIG_HOME", ".config")
}

/// The folder for what can be made anew.
pub fn cache_folder() -> Option<PathBuf> {
    folder("XDG_CACHE_HOME", ".cache")
}

fn folder(variable: &str, below_home: &str) -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set(variable).or_else(|| set("HOME").map(|home| home.join(below_home))).map(|folder| folder.join("airlock"))
}

#[cfg(test)]
mod tests;
