//! What is counted of topics without a handler, and what is said of them.

use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::subscriber::with_default;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

use super::*;

/// The fields of each warning, one line each.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

impl<S: tracing::Subscriber> Layer<S> for Warnings {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        assert_eq!(*event.metadata().level(), tracing::Level::WARN);
        let mut line = Line::default();
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0.join(" "));
    }
}

#[derive(Default)]
struct Line(Vec<String>);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.push(format!("{field}={value:?}"));
    }
}

/// Every record and partition counts, whoever asks; each topic is told of once.
#[test]
fn a_topic_without_a_handler_is_counted_each_time_and_told_of_once() {
    // With one subscriber alone, `tracing` may keep for all threads what another one answered.
    let several = [(); 2].map(|()| tracing::Dispatch::new(tracing_subscriber::registry()));
    let warnings = Warnings::default();
    let progress = Progress::default();
    let subscriber = tracing_subscriber::registry().with(warnings.clone());
    with_default(subscriber, || {
        for topic in ["gone", "gone", "other", "gone"] {
            progress.add_without_handler(topic);
        }
    });
    drop(several);
    assert_eq!(progress.clone().without_handler(), 4);
    assert_eq!(progress.handled() + progress.dead_lettered(), 0);
    let expected = ["gone", "other"];
    let expected = expected.map(|topic| format!("event=\"topic_without_handler\" topic={topic:?}"));
    assert_eq!(*warnings.0.lock().unwrap(), expected);
}

/// What a cluster is full of does not fill the memory.
#[test]
fn only_so_many_topics_are_told_apart() {
    let progress = Progress::default();
    for number in 0..=STRANGERS_MAX {
        progress.add_without_handler(&number.to_string());
    }
    assert_eq!(progress.without_handler(), STRANGERS_MAX as u64 + 1);
    assert_eq!(
        progress.counters.strangers.lock().unwrap().len(),
        STRANGERS_MAX
    );
}
