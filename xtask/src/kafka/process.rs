//! A process known by its id and the time it started, so that a reused id is never mistaken for it.
//!
//! Owns signals and the question "is it still the same process"; knows nothing of Kafka.

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};
use std::process::Command;
use std::time::{Duration, Instant};

/// How long a process may take to end after SIGTERM before it gets SIGKILL.
const TERMINATE_WAIT: Duration = Duration::from_secs(20);
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// A process that leads its own process group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ProcessIdentity {
    pid: i32,
    /// As the system tells it; only compared, never read.
    started: String,
}

impl ProcessIdentity {
    /// Notes the identity of a running process.
    pub(super) fn of(pid: u32) -> Result<Self> {
        let pid = i32::try_from(pid).context("a process id beyond 2^31")?;
        let started = start_time(pid)
            .with_context(|| format!("process {pid} ended before it could be recorded"))?;
        Ok(Self { pid, started })
    }

    pub(super) fn is_running(&self) -> bool {
        start_time(self.pid).is_some_and(|started| started == self.started)
    }

    /// Asks every one of `processes` to end and waits for all; what does not end in time is killed.
    pub(super) fn end_all(processes: &[Self]) -> Result<()> {
        for process in processes {
            process.signal(Signal::TERM)?;
            // A paused process would not notice.
            process.signal(Signal::CONT)?;
        }
        let deadline = Instant::now() + TERMINATE_WAIT;
        for process in processes {
            if !process.ends_before(deadline) {
                process.signal(Signal::KILL)?;
                process.ends_before(Instant::now() + TERMINATE_WAIT);
            }
        }
        Ok(())
    }

    /// Ends the process with SIGKILL and waits until it is gone.
    pub(super) fn kill(&self) -> Result<()> {
        self.signal(Signal::KILL)?;
        ensure!(
            self.ends_before(Instant::now() + TERMINATE_WAIT),
            "process {} does not end",
            self.pid
        );
        Ok(())
    }

    /// Stops the process where it is, its connections stay open.
    pub(super) fn pause(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets a paused process go on.
    pub(super) fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        if !self.is_running() {
            return Ok(());
        }
        let group = Pid::from_raw(self.pid).context("process id 0 is no process")?;
        match kill_process_group(group, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => {
                Err(error).with_context(|| format!("cannot signal process group {}", self.pid))
            }
        }
    }

    fn ends_before(&self, deadline: Instant) -> bool {
        while self.is_running() {
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(POLL_INTERVAL);
        }
        true
    }
}

/// When the process started, or `None` when it has ended; a zombie has ended.
fn start_time(pid: i32) -> Option<String> {
    if cfg!(target_os = "linux") {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        parse_proc_stat(&stat)
    } else {
        let output = Command::new("ps")
            .args(["-o", "lstart=", "-p", &pid.to_string()])
            .output()
            .ok()?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        (output.status.success() && !text.is_empty()).then_some(text)
    }
}

/// Field 22 of `/proc/PID/stat`. The name in field 2 may hold spaces and parentheses.
fn parse_proc_stat(stat: &str) -> Option<String> {
    let after_name = &stat[stat.rfind(')')? + 1..];
    let mut fields = after_name.split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18).map(str::to_owned)
}

#[cfg(test)]
mod tests;
