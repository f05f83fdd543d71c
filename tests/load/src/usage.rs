//! What processes have used, by the kernel's books.

use std::fs;
use std::time::Duration;

use airlock_tests::Server;
use anyhow::{Context, Result};

pub struct Usage {
    /// Of the processes and of the children that they have waited for.
    pub cpu_seconds: f64,
    /// The most that was resident at any time, summed over the processes.
    pub peak_memory_mb: f64,
    /// What is resident now.
    pub memory_mb: f64,
}

/// Linux counts CPU time in hundredths of a second for every program, whatever the kernel's own tick is.
const TICKS_PER_SECOND: f64 = 100.0;

/// How long a server that has nothing to do is watched.
pub const WATCHED: Duration = Duration::from_secs(60);

/// What a server is like that has nothing to do.
pub struct Idle {
    pub cpu_percent: f64,
    pub memory_mb: f64,
}

impl Idle {
    /// Watches it for [`WATCHED`].
    pub async fn of(server: &Server) -> Result<Self> {
        let before = Usage::of(&server.process_ids())?;
        tokio::time::sleep(WATCHED).await;
        let after = Usage::of(&server.process_ids())?;
        let cpu_percent = (after.cpu_seconds - before.cpu_seconds) / WATCHED.as_secs_f64() * 100.0;
        Ok(Self { cpu_percent, memory_mb: after.memory_mb })
    }
}

impl Usage {
    pub fn of(processes: &[u32]) -> Result<Self> {
        let mut usage = Self { cpu_seconds: 0.0, peak_memory_mb: 0.0, memory_mb: 0.0 };
        for process in processes {
            let stat = fs::read_to_string(format!("/proc/{process}/stat")).context("a server has ended")?;
            // The name in parentheses may hold anything: what is counted comes after it, from the state (field 3) on.
            let fields: Vec<&str> = stat.rsplit_once(')').context("no name")?.1.split_whitespace().collect();
            let ticks: f64 = fields.iter().skip(11).take(4).filter_map(|field| field.parse::<f64>().ok()).sum();
            usage.cpu_seconds += ticks / TICKS_PER_SECOND;
            let status = fs::read_to_string(format!("/proc/{process}/status"))?;
            usage.peak_memory_mb += megabytes(&status, "VmHWM:")?;
            usage.memory_mb += megabytes(&status, "VmRSS:")?;
        }
        Ok(usage)
    }
}

fn megabytes(status: &str, name: &str) -> Result<f64> {
    let value = status.lines().find_map(|line| line.strip_prefix(name)).context("a figure is missing")?;
    let kilobytes: f64 = value.trim().trim_end_matches(" kB").parse().context("no number")?;
    Ok(kilobytes / 1024.0)
}
