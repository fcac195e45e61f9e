//! What this process has used so far: CPU from getrusage, peak memory from the kernel's high mark.

use anyhow::{Context, Result};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// What one run of one client used.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Usage {
    /// User and system time of all threads of the process.
    pub(crate) cpu_ns: u64,
    pub(crate) wall_ns: u64,
    pub(crate) peak_kb: u64,
    /// The median time of one awaited message, where that is the work.
    #[serde(default)]
    pub(crate) p50_ns: Option<u64>,
}

/// A started measurement.
#[derive(Debug)]
pub(crate) struct Meter {
    started: Instant,
    cpu_ns: u64,
}

impl Meter {
    pub(crate) fn start() -> Result<Self> {
        Ok(Self {
            cpu_ns: cpu_ns()?,
            started: Instant::now(),
        })
    }

    pub(crate) fn stop(&self) -> Result<Usage> {
        let wall = self.started.elapsed();
        Ok(Usage {
            cpu_ns: cpu_ns()? - self.cpu_ns,
            wall_ns: u64::try_from(wall.as_nanos()).unwrap_or(u64::MAX),
            peak_kb: peak_kb()?,
            p50_ns: None,
        })
    }
}

fn cpu_ns() -> Result<u64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).context("getrusage failed")?;
    let total = usage.user_time() + usage.system_time();
    u64::try_from(total.num_nanoseconds()).context("negative CPU time")
}

/// `VmHWM`, which starts anew with each program; `ru_maxrss` would begin with the parent's.
fn peak_kb() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status").context("needs Linux's /proc")?;
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.trim().strip_suffix(" kB"))
        .and_then(|number| number.trim().parse().ok())
        .context("/proc/self/status has no VmHWM")
}
