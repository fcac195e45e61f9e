//! Steps that compile, beside others that mostly wait: one after the other in a thread of their own,
//! at the lowest priority, so that those in front get a processor whenever they want one.
//!
//! Owns their order and their output, which is shown in one piece when a step has ended. Knows
//! nothing of what they do.

use crate::steps::{Outcome, Steps};
use anyhow::{Context, Result, anyhow};
use std::fs::File;
use std::io::{Read, Seek};
use std::process::Command;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// As nice as can be.
const NICENESS: i32 = 19;

/// A step that can run beside others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&Output) -> Result<Outcome>,
}

/// Where the commands of a step write, as long as it runs.
#[derive(Debug)]
pub(crate) struct Output {
    file: File,
}

/// Steps that run while others do.
#[derive(Debug)]
pub(crate) struct Beside {
    thread: JoinHandle<Vec<Ended>>,
}

#[derive(Debug)]
struct Ended {
    name: &'static str,
    outcome: Result<Outcome>,
    duration: Duration,
}

impl Output {
    fn new() -> Result<Self> {
        let file = tempfile::tempfile().context("cannot keep the output of a step")?;
        Ok(Self { file })
    }

    /// Has `command` write here.
    pub(crate) fn of<'a>(&self, command: &'a mut Command) -> Result<&'a mut Command> {
        let stdout = self.file.try_clone()?;
        Ok(command.stdout(stdout).stderr(self.file.try_clone()?))
    }

    fn text(mut self) -> Result<String> {
        let mut bytes = Vec::new();
        self.file.rewind()?;
        self.file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

impl Beside {
    pub(crate) fn start(works: Vec<Work>) -> Self {
        let thread = std::thread::spawn(move || {
            // On Linux this thread alone, and what it starts; a refusal only costs time.
            let _refused = rustix::process::nice(NICENESS);
            works.into_iter().map(run).collect()
        });
        Self { thread }
    }

    /// Waits for all of them and adds them to the others.
    pub(crate) fn end(self, steps: &mut Steps) {
        let waited = Instant::now();
        match self.thread.join() {
            Ok(all) => {
                for ended in all {
                    steps.add(ended.name, ended.outcome, ended.duration);
                }
            }
            Err(_) => steps.add("beside", Err(anyhow!("it panicked")), waited.elapsed()),
        }
    }
}

fn run(work: Work) -> Ended {
    let started = Instant::now();
    let outcome = run_and_show(work);
    Ended {
        name: work.name,
        outcome,
        duration: started.elapsed(),
    }
}

fn run_and_show(work: Work) -> Result<Outcome> {
    let output = Output::new()?;
    let outcome = (work.run)(&output);
    eprintln!("==> {} (beside others)\n{}", work.name, output.text()?);
    outcome
}

#[cfg(test)]
mod tests;
