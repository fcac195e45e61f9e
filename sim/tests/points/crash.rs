//! Where a process ends: at an event of its own, or where it says that it is.
//!
//! Compiled into the notification service's tests as well, so it knows nothing of applications.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tracing::field::{Field, Visit};

/// Names the point; unset, the process goes on.
pub(crate) const POINT: &str = "MILENA_POINTS_POINT";
/// The how-manieth time the point is reached the process ends.
pub(crate) const COUNT: &str = "MILENA_POINTS_COUNT";

/// Where the process ends.
#[derive(Clone)]
pub(crate) struct Crash {
    point: Option<Arc<str>>,
    left: Arc<AtomicU32>,
}

impl Crash {
    pub(crate) fn from_variables() -> Self {
        let count = std::env::var(COUNT).ok();
        let count = count.and_then(|count| count.parse().ok()).unwrap_or(0);
        Self {
            point: std::env::var(POINT).ok().map(Arc::from),
            left: Arc::new(AtomicU32::new(count)),
        }
    }

    /// Does not return where the process is to end.
    pub(crate) fn reached(&self, point: &str) {
        if self.point.as_deref() == Some(point) && self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            std::process::abort();
        }
    }
}

/// Takes the application's own events as points.
impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Crash {
    fn on_event(
        &self,
        event: &tracing::Event<'_>,
        _context: tracing_subscriber::layer::Context<'_, S>,
    ) {
        event.record(&mut EventName(self));
    }
}

struct EventName<'a>(&'a Crash);

impl Visit for EventName<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "event" {
            self.0.reached(value);
        }
    }

    fn record_debug(&mut self, _field: &Field, _value: &dyn Debug) {}
}
