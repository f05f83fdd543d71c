//! The processes, each behind a network of its own, and somebody who starts again whatever ends.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use airlock_tests::{Proxy, Server};
use anyhow::{Context, Result, bail};

/// How many processes of each role there are.
const ROLES: &[(&str, usize)] = &[("scheduler", 3), ("worker", 4), ("api", 2)];
/// How long a process has after SIGTERM.
const DRAIN: Duration = Duration::from_secs(60);

pub struct Member {
    pub name: String,
    role: &'static str,
    pub network: Proxy,
    /// Of an `api`.
    listen: SocketAddr,
    child: Option<Child>,
    /// Not before this is it started again.
    down_until: Instant,
    /// When it was asked to end.
    asked: Option<Instant>,
}

pub struct Fleet {
    server: Server,
    database: String,
    pub members: Vec<Member>,
    /// What was seen of processes that must not be.
    pub broken: Vec<String>,
}

impl Fleet {
    /// Everybody, not yet started. `address` is that of the database.
    pub async fn new(server: Server, database: &str, address: SocketAddr) -> Result<Self> {
        let mut members = Vec::new();
        for (role, count) in ROLES {
            for number in 1..=*count {
                members.push(Member {
                    name: format!("{role}-{number}"),
                    role,
                    network: Proxy::start(address).await?,
                    listen: TcpListener::bind(("127.0.0.1", 0))?.local_addr()?,
                    child: None,
                    down_until: Instant::now(),
                    asked: None,
                });
            }
        }
        Ok(Self { server, database: database.replace(&address.to_string(), "NETWORK"), members, broken: Vec::new() })
    }

    pub fn home(&self) -> &Path {
        self.server.home()
    }

    pub fn log_file(&self, member: &Member) -> PathBuf {
        self.home().join(format!("{}.log", member.name))
    }

    /// The addresses of the API.
    pub fn urls(&self) -> Vec<String> {
        let apis = self.members.iter().filter(|member| member.role == "api");
        apis.map(|member| format!("http://{}", member.listen)).collect()
    }

    /// Looks after everybody: what has ended is started again when its time has come.
    pub fn tend(&mut self) -> Result<()> {
        for index in 0..self.members.len() {
            let member = &mut self.members[index];
            if let Some(child) = &mut member.child {
                let overdue = member.asked.is_some_and(|asked| asked.elapsed() > DRAIN);
                if child.try_wait()?.is_none() && !overdue {
                    continue;
                }
                if overdue {
                    child.kill()?;
                    child.wait()?;
                    self.broken.push(format!("{} had not ended {DRAIN:?} after SIGTERM", member.name));
                }
                (member.child, member.asked) = (None, None);
            }
            if Instant::now() >= member.down_until {
                self.start(index)?;
            }
        }
        Ok(())
    }

    fn start(&mut self, index: usize) -> Result<()> {
        let member = &self.members[index];
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.log_file(member))?;
        let mut command = self.server.command(&[member.role]);
        command.env("AIRLOCK_DATABASE_URL", self.database.replace("NETWORK", &member.network.address().to_string()));
        command.env("AIRLOCK_LISTEN", member.listen.to_string());
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn()?;
        let member = &mut self.members[index];
        // A process that cannot start, because the database is away, is not started again and again.
        (member.child, member.down_until) = (Some(child), Instant::now() + Duration::from_secs(1));
        Ok(())
    }

    /// Those of a role that are up, and have not been asked to end.
    pub fn well(&mut self, role: &str) -> Result<Vec<usize>> {
        let mut well = Vec::new();
        for (number, member) in self.members.iter_mut().enumerate().filter(|(_, member)| member.role == role) {
            let Some(child) = &mut member.child else { continue };
            if member.asked.is_none() && child.try_wait()?.is_none() {
                well.push(number);
            }
        }
        Ok(well)
    }

    fn signal(&self, index: usize, signal: &str) -> Result<()> {
        let Some(child) = &self.members[index].child else { return Ok(()) };
        // One that has just ended by itself is no fault: `tend` finds it.
        let _ = Command::new("kill").args(["-s", signal, &child.id().to_string()]).stderr(Stdio::null()).status()?;
        Ok(())
    }

    /// `kill -9`; it is started again after a while.
    pub fn kill(&mut self, index: usize, down: Duration) -> Result<()> {
        self.signal(index, "KILL")?;
        self.members[index].down_until = Instant::now() + down;
        Ok(())
    }

    pub fn freeze(&self, index: usize) -> Result<()> {
        self.signal(index, "STOP")
    }

    pub fn thaw(&self, index: usize) -> Result<()> {
        self.signal(index, "CONT")
    }

    pub fn ask_to_end(&mut self, index: usize) -> Result<()> {
        self.members[index].asked.get_or_insert_with(Instant::now);
        self.signal(index, "TERM")
    }

    /// Ends everybody, and waits for them.
    pub fn stop(&mut self) -> Result<()> {
        for index in 0..self.members.len() {
            self.signal(index, "TERM")?;
        }
        let end = Instant::now() + DRAIN;
        for member in &mut self.members {
            let Some(child) = &mut member.child else { continue };
            while child.try_wait()?.is_none() {
                if Instant::now() > end {
                    child.kill()?;
                    self.broken.push(format!("{} had not ended {DRAIN:?} after SIGTERM", member.name));
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            if !child.wait()?.success() {
                self.broken.push(format!("{} ended with {} after SIGTERM", member.name, child.wait()?));
            }
            member.child = None;
        }
        Ok(())
    }

    /// The administrator's token, once an `api` has made it.
    pub fn token(&self) -> Result<Option<String>> {
        let Ok(text) = std::fs::read_to_string(self.home().join("client.toml")) else { return Ok(None) };
        let token = text.lines().find_map(|line| line.strip_prefix("token = ")).context("client.toml has no token")?;
        if token.is_empty() {
            bail!("client.toml has an empty token");
        }
        Ok(Some(token.trim().trim_matches('"').to_owned()))
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for member in &mut self.members {
            if let Some(child) = &mut member.child {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    }
}
