//! A database server as a child process.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, ErrorKind};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

/// A running server. Dropping it stops the server and removes its files.
pub struct Server {
    pub(crate) url: String,
    folder: PathBuf,
    supervisor: Child,
}

impl Server {
    /// The address with a login that may create databases.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Ends the server by a signal, such as `KILL`, and has it started again at once.
    ///
    /// # Errors
    /// If there is no such process.
    pub fn restart(&self, signal: &str) -> Result<()> {
        std::fs::write(self.folder.join("again"), "")?;
        let process = std::fs::read_to_string(self.folder.join("process"))?;
        run(Command::new("kill").arg("-s").arg(signal).arg(process.trim()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.supervisor.stdin.take());
        // A failed wait leaves nothing to do: the supervisor acts on the closed pipe by itself.
        drop(self.supervisor.wait());
    }
}

/// What to start, and how to know that it is there.
pub(crate) struct Start {
    pub program: PathBuf,
    pub arguments: Vec<OsString>,
    /// Runs as this user if we are root.
    pub user: &'static str,
    /// How the shell's `kill` ends it.
    pub stop_signal: &'static str,
    /// What its log says once it serves.
    pub ready: &'static str,
    pub url: String,
}

/// The supervisor waits for the end of its standard input, which is a pipe from us: the kernel closes it however we end.
/// (A parent-death signal would be bound to the thread that started the server, and test threads are short-lived.)
/// It asks until the server has ended: one that has just been started does not listen to signals yet.
/// Its own output is closed, so that the end of the log means the end of the server. A server that ends is started again if the
/// file `again` is there.
const SUPERVISE: &str = r#"
directory=$1 signal=$2; shift 2
serve() {
    while :; do
        "$@" </dev/null & echo $! > "$directory/process"
        wait $!
        rm "$directory/again" 2>/dev/null || return
    done
}
serve "$@" & serving=$!
exec >/dev/null 2>&1
cat
rm -f "$directory/again"
while kill -s "$signal" "$(cat "$directory/process")"; do sleep 0.1; done
wait $serving
rm -rf "$directory"
"#;

const PATIENCE: Duration = Duration::from_secs(120);
const LINES_OF_LOG_IN_ERRORS: usize = 40;

/// Starts a server on the files of `directory`, which are the server's from now on.
pub(crate) fn start(directory: TempDir, start: Start) -> Result<Server> {
    let mut command = Command::new("sh");
    command.args(["-c", SUPERVISE, "supervisor"]).arg(directory.path()).arg(start.stop_signal);
    let program = as_user(start.user, &start.program);
    command.arg(program.get_program()).args(program.get_args()).args(&start.arguments);
    // A process group of its own, so that Ctrl-C reaches us and not the supervisor, which is to clean up after us.
    command.env("LC_ALL", "C").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
    let mut supervisor = command.spawn().with_context(|| format!("cannot start {}", start.program.display()))?;
    let folder = directory.keep();
    let log = supervisor.stderr.take().context("the server has no log")?;
    let server = Server { url: start.url, folder, supervisor };

    let (sender, receiver) = mpsc::channel();
    let ready = start.ready;
    // It reads on for as long as the server lives: a full pipe would stop it.
    std::thread::spawn(move || {
        let mut tail = VecDeque::new();
        for line in BufReader::new(log).lines().map_while(Result::ok) {
            if line.contains(ready) {
                let _ = sender.send(Ok(()));
            }
            if tail.len() == LINES_OF_LOG_IN_ERRORS {
                tail.pop_front();
            }
            tail.push_back(line);
        }
        let _ = sender.send(Err(tail.into_iter().collect::<Vec<_>>().join("\n")));
    });
    let name = start.program.display();
    match receiver.recv_timeout(PATIENCE) {
        Ok(Ok(())) => Ok(server),
        Ok(Err(log)) => bail!("{name} ended before it was ready; its log:\n{log}"),
        Err(_) => bail!("{name} was not ready within {PATIENCE:?}"),
    }
}

/// A port that was free a moment ago: another process may take it first, so whoever uses it tries again.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// Tries `start` with other ports when the first was taken meanwhile.
pub(crate) fn with_free_port(start: impl Fn(u16) -> Result<Server>) -> Result<Server> {
    for _ in 0..2 {
        match start(free_port()?) {
            Err(error) if format!("{error:#}").contains("already in use") => {}
            answer => return answer,
        }
    }
    start(free_port()?)
}

/// The address of the server that `variable` names, or else of the one that this process has started before, or starts now.
pub(crate) fn shared(
    variable: &str,
    own: &Mutex<Option<Server>>,
    start: impl FnOnce() -> Result<Server>,
) -> Result<String> {
    if let Ok(url) = std::env::var(variable) {
        return Ok(url);
    }
    let mut own = own.lock().unwrap_or_else(PoisonError::into_inner);
    let server = match own.take() {
        Some(server) => server,
        None => start()?,
    };
    Ok(own.insert(server).url.clone())
}

/// A folder with these files, which belongs to the server's user.
pub(crate) fn folder(prefix: &str, user: &str, files: &[(&str, String)]) -> Result<TempDir> {
    let folder = tempfile::Builder::new().prefix(prefix).tempdir()?;
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text)?;
    }
    if is_root() {
        run(Command::new("chown").arg("-R").arg(user).arg(folder.path()))
            .with_context(|| format!("the folder of a test server cannot be given to the user `{user}`"))?;
    }
    Ok(folder)
}

/// `program`, to be run as `user` if we are root: neither PostgreSQL nor MariaDB runs as root.
pub(crate) fn as_user(user: &str, program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args([&format!("--reuid={user}"), &format!("--regid={user}"), "--init-groups"]).arg(program);
    command
}

/// Runs a command to its end.
///
/// # Errors
/// With the command's name and its own words.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot run {name}"))?;
    if !output.status.success() {
        let words = [output.stdout, output.stderr].concat();
        bail!("{name} failed ({}): {}", output.status, String::from_utf8_lossy(&words).trim());
    }
    Ok(())
}

/// The first of `candidates` that exists, or that the search path has if it is a bare name.
///
/// # Errors
/// Says which Debian package to install.
pub(crate) fn find(candidates: &[PathBuf], package: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let found = candidates.iter().find_map(|candidate| {
        if candidate.is_absolute() {
            return candidate.is_file().then(|| candidate.clone());
        }
        folders.iter().map(|folder| folder.join(candidate)).find(|program| program.is_file())
    });
    found.with_context(|| {
        let name = candidates.last().map(|candidate| candidate.display().to_string()).unwrap_or_default();
        format!(
            "{name} is not on this machine; `apt-get install {package}` brings it, and `cargo xtask test` does that"
        )
    })
}

/// Every folder `<above>/<version>/bin`, the newest version first.
pub(crate) fn versioned_folders(above: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(above) else { return Vec::new() };
    let mut folders: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path().join("bin"))).collect();
    folders.sort();
    folders.reverse();
    folders
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    match std::fs::metadata("/proc/self") {
        Ok(metadata) => metadata.uid() == 0,
        Err(error) if error.kind() == ErrorKind::NotFound => std::env::var("USER").is_ok_and(|user| user == "root"),
        Err(_) => false,
    }
}
