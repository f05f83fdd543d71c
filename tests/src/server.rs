//! The real binary, as one process on SQLite or as three on PostgreSQL.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::{Api, PATIENCE};

/// Which store a server keeps its state in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Database {
    /// `airlock standalone`.
    Sqlite,
    /// `airlock api`, `airlock scheduler` and `airlock worker`, each a process.
    Postgres,
}

/// How a process ended after it was asked to.
#[derive(Clone, Copy, Debug)]
pub struct Stopped {
    pub status: ExitStatus,
    pub took: Duration,
}

/// A running Airlock. Dropping it kills its processes and removes its files.
pub struct Server {
    binary: PathBuf,
    home: TempDir,
    database: Option<airlock_test_services::Database>,
    settings: Vec<(String, String)>,
    processes: Vec<Process>,
    url: String,
    token: String,
}

struct Process {
    role: &'static str,
    child: Child,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    pub fn start(database: Database) -> Result<Self> {
        Self::start_with(database, &[])
    }

    /// With settings, by the names that the configuration file has for them.
    pub fn start_with(database: Database, settings: &[(&str, &str)]) -> Result<Self> {
        Self::start_binary(&binary()?, database, settings)
    }

    pub fn start_binary(binary: &Path, database: Database, settings: &[(&str, &str)]) -> Result<Self> {
        let database = match database {
            Database::Sqlite => None,
            Database::Postgres => Some(airlock_test_services::postgres()?),
        };
        let mut server = Self::prepare(binary, database, settings)?;
        server.start_again()?;
        Ok(server)
    }

    /// On a PostgreSQL database of the caller's own.
    pub fn start_on(database: airlock_test_services::Database, settings: &[(&str, &str)]) -> Result<Self> {
        let mut server = Self::prepare(&binary()?, Some(database), settings)?;
        server.start_again()?;
        Ok(server)
    }

    /// A folder and a migrated database, and no process yet.
    pub fn prepare(
        binary: &Path,
        database: Option<airlock_test_services::Database>,
        settings: &[(&str, &str)],
    ) -> Result<Self> {
        let server = Self::stopped(binary, new_home()?, database, settings);
        if server.database.is_some() {
            let migrated = server.command(&["db", "migrate"]).status()?;
            if !migrated.success() {
                bail!("`airlock db migrate` failed: {migrated}");
            }
        }
        Ok(server)
    }

    /// On a PostgreSQL database, which may have been filled before. Each process has a folder of its own, as on machines that share none.
    pub fn start_apart(database: airlock_test_services::Database, settings: &[(&str, &str)]) -> Result<Self> {
        let mut server = Self::prepare(&binary()?, Some(database), settings)?;
        server.url = server.start_process_in("api", "api")?;
        server.start_process_in("scheduler", "scheduler")?;
        server.start_process_in("worker", "worker")?;
        server.token = read_token(&server.home.path().join("api/client.toml"))?;
        Ok(server)
    }

    /// `airlock standalone` on a folder that is there.
    pub fn start_in(home: TempDir) -> Result<Self> {
        let mut server = Self::stopped(&binary()?, home, None, &[]);
        server.start_again()?;
        Ok(server)
    }

    fn stopped(
        binary: &Path,
        home: TempDir,
        database: Option<airlock_test_services::Database>,
        settings: &[(&str, &str)],
    ) -> Self {
        Self {
            binary: binary.to_owned(),
            home,
            database,
            settings: settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            processes: Vec::new(),
            url: String::new(),
            token: String::new(),
        }
    }

    /// Starts the processes on what the earlier ones left.
    pub fn start_again(&mut self) -> Result<()> {
        self.processes.clear();
        if self.database.is_none() {
            self.url = self.start_process("standalone")?;
        } else {
            self.url = self.start_process("api")?;
            self.start_process("scheduler")?;
            self.start_process("worker")?;
        }
        self.token = read_token(&self.home.path().join("client.toml"))?;
        Ok(())
    }

    /// Starts one more process of a role; answers what it says first on standard output: an address, or a word.
    pub fn start_process(&mut self, role: &'static str) -> Result<String> {
        self.start_process_in(role, "")
    }

    /// The same on a folder of its own within [`Self::home`].
    pub fn start_process_in(&mut self, role: &'static str, folder: &str) -> Result<String> {
        let home = self.home.path().join(folder);
        self.start_process_with(role, &[("home", &home.display().to_string())])
    }

    /// The same with settings of its own.
    pub fn start_process_with(&mut self, role: &'static str, settings: &[(&str, &str)]) -> Result<String> {
        let mut command = self.command(&[role]);
        command.envs(settings.iter().map(|(name, value)| (format!("AIRLOCK_{}", name.to_uppercase()), value)));
        self.start_command(role, command)
    }

    /// Starts a process to which [`Self::limit_files`] does what a full disk does: writing fails, and it is not killed for it (SIGXFSZ).
    pub fn start_process_for_full_disk(&mut self, role: &'static str) -> Result<String> {
        let direct = self.command(&[role]);
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(direct.get_program()).args(direct.get_args());
        for (name, value) in direct.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.current_dir(self.home.path());
        self.start_command(role, command)
    }

    /// Bytes beyond which no file of a process grows from now on; none: as large as they want.
    pub fn limit_files(&self, process: u32, bytes: Option<u64>) -> Result<()> {
        let limit = bytes.map_or("unlimited".to_owned(), |bytes| bytes.to_string());
        let arguments = [format!("--pid={process}"), format!("--fsize={limit}:")];
        let done = Command::new("prlimit").args(arguments).status().context("`prlimit` of util-linux is missing")?;
        if !done.success() {
            bail!("cannot limit the files of process {process}");
        }
        Ok(())
    }

    fn start_command(&mut self, role: &'static str, mut command: Command) -> Result<String> {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.log_file(role))?;
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn()?;
        let stdout = child.stdout.take().context("the process has no standard output")?;
        self.processes.push(Process { role, child });
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let line = line.trim().to_owned();
        if line.is_empty() {
            bail!("`airlock {role}` ended before it was ready; its log:\n{}", self.log(role));
        }
        Ok(line)
    }

    /// A command line of the binary, under this server's settings and as its administrator.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        // Nothing of the developer's own settings.
        for (name, _) in
            std::env::vars().filter(|(name, _)| ["AIRLOCK_", "OTEL_"].iter().any(|prefix| name.starts_with(prefix)))
        {
            command.env_remove(name);
        }
        command.current_dir(self.home.path()).args(arguments);
        command.env("XDG_CONFIG_HOME", self.home.path().join("user")).env("AIRLOCK_HOME", self.home.path());
        command.env("AIRLOCK_LISTEN", "127.0.0.1:0");
        if let Some(folder) = self.binary.parent() {
            // Compiling is slow, and depends on nothing but module and binary: this is the one thing that servers share.
            command.env("AIRLOCK_COMPILED", folder.join("test-compiled"));
        }
        if let Some(database) = &self.database {
            command.env("AIRLOCK_DATABASE_URL", database.url());
        }
        for (name, value) in &self.settings {
            // Those of OpenTelemetry are no settings of ours, and have their own names.
            let is_ours = !name.starts_with("OTEL_");
            command.env(if is_ours { format!("AIRLOCK_{}", name.to_uppercase()) } else { name.clone() }, value);
        }
        command
    }

    pub fn api(&self) -> Result<Api> {
        Api::new(&self.url, &self.token)
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn token(&self) -> &str {
        &self.token
    }

    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// The ids of all processes.
    pub fn process_ids(&self) -> Vec<u32> {
        self.processes.iter().map(|process| process.child.id()).collect()
    }

    /// What the processes of a role have written to standard error.
    pub fn log(&self, role: &str) -> String {
        std::fs::read_to_string(self.log_file(role)).unwrap_or_default()
    }

    fn log_file(&self, role: &str) -> PathBuf {
        self.home.path().join(format!("{role}.log"))
    }

    /// The ids of a role's processes, the oldest first.
    pub fn ids_of(&self, role: &str) -> Vec<u32> {
        self.processes.iter().filter(|process| process.role == role).map(|process| process.child.id()).collect()
    }

    /// Sends a signal, such as `STOP`, to one of the processes.
    pub fn signal(&self, process: u32, signal: &str) -> Result<()> {
        let sent = Command::new("kill").args(["-s", signal, &process.to_string()]).status()?;
        if !sent.success() {
            bail!("cannot send {signal} to process {process}");
        }
        Ok(())
    }

    /// The PostgreSQL database that the processes share.
    pub fn database_url(&self) -> Result<&str> {
        self.database.as_ref().map(airlock_test_services::Database::url).context("it is on SQLite")
    }

    /// `kill -9` of every process of a role.
    pub fn kill(&mut self, role: &str) -> Result<()> {
        for process in self.processes.iter_mut().filter(|process| process.role == role) {
            process.child.kill()?;
            process.child.wait()?;
        }
        self.processes.retain(|process| process.role != role);
        Ok(())
    }

    /// `kill -9` of everything.
    pub fn kill_all(&mut self) -> Result<()> {
        for process in &mut self.processes {
            process.child.kill()?;
        }
        self.processes.clear();
        Ok(())
    }

    /// Asks every process of a role to stop (SIGTERM), and waits until it has.
    pub fn stop(&mut self, role: &str) -> Result<Vec<Stopped>> {
        let mut stopped = Vec::new();
        for process in self.processes.iter_mut().filter(|process| process.role == role) {
            let asked = Instant::now();
            let sent = Command::new("kill").args(["-TERM", &process.child.id().to_string()]).status()?;
            if !sent.success() {
                bail!("cannot send a signal to `airlock {role}`");
            }
            let status = wait(&mut process.child).with_context(|| format!("`airlock {role}` does not stop"))?;
            stopped.push(Stopped { status, took: asked.elapsed() });
        }
        self.processes.retain(|process| process.role != role);
        Ok(stopped)
    }
}

fn new_home() -> Result<TempDir> {
    Ok(tempfile::Builder::new().prefix("airlock-home-").tempdir()?)
}

/// A child has no event for its end without a thread that waits for it.
fn wait(child: &mut Child) -> Result<ExitStatus> {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    bail!("it is still there after {PATIENCE:?}")
}

/// The binary that lies beside this test program.
fn binary() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let folder = program.ancestors().nth(2).context("the test program is not in a target folder")?;
    let binary = folder.join("airlock");
    if !binary.is_file() {
        bail!("{} is missing: `cargo build --workspace --bin airlock` makes it", binary.display());
    }
    Ok(binary)
}

fn read_token(file: &Path) -> Result<String> {
    let text = std::fs::read_to_string(file).with_context(|| format!("the server left no {}", file.display()))?;
    let line = text.lines().find_map(|line| line.strip_prefix("token = ")).context("there is no token in it")?;
    Ok(line.trim().trim_matches('"').to_owned())
}
