//! What a source has told of its numbers, so that the numbers of several add up.

use std::sync::{Mutex, PoisonError};

use metrics::Label;

/// A number that only grows. The recorder is told by how much.
#[derive(Debug)]
pub(crate) struct Sum {
    name: &'static str,
    labels: Vec<Label>,
    told: Mutex<u64>,
}

/// A number that goes up and down, and back to nothing with its source.
#[derive(Debug)]
pub(crate) struct Level {
    name: &'static str,
    told: Mutex<f64>,
}

impl Sum {
    pub(crate) fn new(name: &'static str) -> Sum {
        Sum {
            name,
            labels: Vec::new(),
            told: Mutex::new(0),
        }
    }

    pub(crate) fn label(mut self, name: &'static str, value: &'static str) -> Sum {
        self.labels.push(Label::new(name, value));
        self
    }

    pub(crate) fn tell(&self, value: u64) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        // Looked up each time: a recorder may be installed after this was made.
        let counter = metrics::counter!(self.name, self.labels.iter());
        counter.increment(value.saturating_sub(*told));
        *told = value.max(*told);
    }
}

impl Level {
    pub(crate) fn new(name: &'static str) -> Level {
        Level {
            name,
            told: Mutex::new(0.0),
        }
    }

    pub(crate) fn tell(&self, value: f64) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        metrics::gauge!(self.name).increment(value - *told);
        *told = value;
    }
}

impl Drop for Level {
    fn drop(&mut self) {
        self.tell(0.0);
    }
}
