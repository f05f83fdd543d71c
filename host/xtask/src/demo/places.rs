//! Where the demo keeps its things, and its server.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::guests;

/// Folders below `target/demo`. The server's own stays from run to run, so that the second demo compiles nothing.
pub struct Places {
    pub root: PathBuf,
    pub home: PathBuf,
    /// The folder of the S3 server: a bucket is a folder in it.
    pub lake: PathBuf,
    /// Different for each demo.
    pub run: u64,
}

impl Places {
    pub fn prepare() -> Result<Self> {
        let root = crate::target().join("demo");
        let places = Self {
            home: root.join("home"),
            lake: root.join("lake"),
            root,
            run: SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs(),
        };
        if places.lake.exists() {
            std::fs::remove_dir_all(&places.lake)?;
        }
        for folder in [&places.home, &places.lake.join("landing"), &places.lake.join("clean")] {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        Ok(places)
    }

    /// Writes a JSON file, and answers its path.
    pub fn write(&self, name: &str, value: &Value) -> Result<String> {
        let path = self.root.join(name);
        std::fs::write(&path, serde_json::to_vec_pretty(value)?)?;
        Ok(path.display().to_string())
    }

    /// What paths start with that need not be read by people.
    pub fn prefix(&self) -> String {
        format!("{}/", crate::root().display())
    }

    /// Lets a command be the demo's, and nobody else's.
    pub fn environment<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AIRLOCK_")) {
            command.env_remove(name);
        }
        command.env("XDG_CONFIG_HOME", self.root.join("user")).env("AIRLOCK_HOME", &self.home)
    }
}

/// `airlock standalone`. Dropping it stops it.
pub struct Server {
    pub url: String,
    child: Child,
}

impl Server {
    pub fn start(binary: &Path, places: &Places) -> Result<Self> {
        let mut command = Command::new(binary);
        places.environment(&mut command).args([
            "standalone",
            "--listen",
            "127.0.0.1:0",
            "--log",
            "warn",
            "--operators",
        ]);
        command.arg(guests::modules_folder()).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot start {}", binary.display()))?;
        let stdout = child.stdout.take().context("the server has no standard output")?;
        let mut server = Self { url: String::new(), child };
        BufReader::new(stdout).read_line(&mut server.url)?;
        server.url = server.url.trim().to_owned();
        if server.url.is_empty() {
            bail!("`airlock standalone` ended before it served: {}", server.child.wait()?);
        }
        Ok(server)
    }

    /// Until somebody ends it.
    pub fn wait(mut self) -> Result<()> {
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A server that has ended by itself has nothing to hear.
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).stderr(Stdio::null()).status();
        let _ = self.child.wait();
    }
}
