//! A subscriber that keeps the client's spans of the thread that installed it: tests that use it run
//! on one thread, so that they do not see each other's.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use milena_client::spans::TARGET;
use tracing::Dispatch;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;

/// A span, whether it has ended or not.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    id: Id,
    pub(crate) name: &'static str,
    pub(crate) parent: Option<&'static str>,
    pub(crate) attributes: BTreeMap<&'static str, String>,
    pub(crate) has_ended: bool,
    began: Instant,
    /// From its beginning to its end.
    pub(crate) took: Duration,
}

/// What was seen until now.
#[derive(Debug, Clone, Default)]
pub(crate) struct Collector {
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// With one subscriber alone, `tracing` asks the thread that meets a span first, and keeps its
/// answer for all threads: those of other tests want none.
static SEVERAL: LazyLock<[Dispatch; 2]> =
    LazyLock::new(|| [(); 2].map(|()| Dispatch::new(Registry::default())));

impl Collector {
    /// Begins to collect, until the guard is dropped.
    pub(crate) fn install() -> (Self, DefaultGuard) {
        LazyLock::force(&SEVERAL);
        let collector = Self::default();
        let subscriber = Registry::default().with(collector.clone());
        (collector, tracing::subscriber::set_default(subscriber))
    }

    /// The spans of this name that have ended, first to last.
    pub(crate) fn ended(&self, name: &str) -> Vec<Seen> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = seen
            .iter()
            .filter(|seen| seen.name == name && seen.has_ended);
        ended.cloned().collect()
    }

    fn change(&self, id: &Id, change: impl FnOnce(&mut Seen)) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        // Ids are used again once a span has ended.
        if let Some(seen) = seen.iter_mut().rev().find(|seen| seen.id == *id) {
            change(seen);
        }
    }
}

impl Layer<Registry> for Collector {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, Registry>) {
        let metadata = attributes.metadata();
        if metadata.target() != TARGET {
            return;
        }
        let mut values = Values::default();
        attributes.record(&mut values);
        let parent = context.span(id).and_then(|span| span.parent());
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.push(Seen {
            id: id.clone(),
            name: metadata.name(),
            parent: parent.map(|parent| parent.name()),
            attributes: values.0,
            has_ended: false,
            began: Instant::now(),
            took: Duration::ZERO,
        });
    }

    fn on_record(&self, id: &Id, record: &Record<'_>, _: Context<'_, Registry>) {
        let mut values = Values::default();
        record.record(&mut values);
        self.change(id, |seen| seen.attributes.extend(values.0));
    }

    fn on_close(&self, id: Id, _: Context<'_, Registry>) {
        self.change(&id, |seen| {
            seen.has_ended = true;
            seen.took = seen.began.elapsed();
        });
    }
}

#[derive(Default)]
struct Values(BTreeMap<&'static str, String>);

impl Visit for Values {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}
