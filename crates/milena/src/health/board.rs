//! Where the judge sits, between those who observe and those who ask.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use super::judge::{Judge, Observed, Patience, WorkSeen};
use super::report::HealthReport;

/// The judge of one application; clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct HealthBoard {
    judge: Arc<Mutex<Judge>>,
}

impl HealthBoard {
    pub(crate) fn new(patience: Patience) -> HealthBoard {
        HealthBoard {
            judge: Arc::new(Mutex::new(Judge::new(patience, Instant::now()))),
        }
    }

    /// The dispatcher tells how far its partitions are.
    pub(crate) fn see_work(&self, seen: Vec<WorkSeen>) {
        let mut judge = self.judge.lock().unwrap_or_else(PoisonError::into_inner);
        judge.see_work(seen, Instant::now());
    }

    /// What to say, given what can be seen now. A verdict that is another than before is
    /// logged.
    pub(crate) fn report(&self, observed: Observed) -> HealthReport {
        let mut judge = self.judge.lock().unwrap_or_else(PoisonError::into_inner);
        let report = judge.report(observed);
        let is_news = judge.is_news(&report);
        drop(judge);
        if is_news {
            report.log();
        }
        report
    }
}
