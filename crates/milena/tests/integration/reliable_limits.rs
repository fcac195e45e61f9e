//! What holds while things go badly: memory is bounded, closing ends in time and tells all, a
//! breaker and a spool let go again.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use milena::testing::{ApiKey, ErrorCode, Fault, TestBroker};
use milena::{
    Breaker, BreakerState, Config, DeliveryContext, DeliveryCounts, DeliveryObserver,
    DeliveryStatus, Outgoing, PublishError, Publisher, RecordMetadata, ReliableBuilder, Retry,
    Spool,
};
use milena_client::producer::ProduceErrorKind;
use tracing_subscriber::filter::{LevelFilter, Targets};

use crate::setup::{DEADLINE, until, until_some, within};
use crate::tracing::Log;

/// A publisher whose attempts end soon.
fn hasty(address: &str) -> ReliableBuilder {
    with(address, &[])
}

fn with(address: &str, properties: &[(&str, &str)]) -> ReliableBuilder {
    let config = Config::builder()
        .bootstrap_servers(address)
        .properties([
            ("request.timeout.ms", "200"),
            ("delivery.timeout.ms", "300"),
            ("max.block.ms", "500"),
            ("reconnect.backoff.max.ms", "100"),
        ])
        .properties(properties.iter().copied())
        .build()
        .expect("a config");
    Publisher::new(&config).expect("a publisher").reliable()
}

fn message() -> Outgoing {
    Outgoing::to("orders").partition(0).value(vec![b'v'; 100])
}

/// Looks at nothing until it is let.
struct Gate(Mutex<Receiver<()>>);

impl Gate {
    fn new() -> (SyncSender<()>, Gate) {
        let (open, closed) = sync_channel(0);
        (open, Gate(Mutex::new(closed)))
    }
}

impl DeliveryObserver for Gate {
    fn on_success(&self, _context: &DeliveryContext, _written: &RecordMetadata) {
        // An error once the gate is open.
        let _ = self.0.lock().expect("no panic").recv();
    }
}

/// An observer that does not keep up holds publishing back: what is settled and not told has
/// its share of the buffer.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_an_observer_was_not_told_is_bounded_by_the_buffer() {
    const BUFFER_BYTES: usize = 1 << 18;
    let broker = TestBroker::start().await.unwrap();
    let (open, gate) = Gate::new();
    let properties = [
        ("buffer.memory", "262144"),
        ("max.request.size", "65536"),
        ("batch.size", "16384"),
        ("linger.ms", "0"),
    ];
    let publisher = with(&broker.broker().bootstrap(), &properties);
    let publisher = publisher.observer(gate).build().unwrap();
    let mut taken = 0;
    let refused = loop {
        match publisher.publish(message()).await {
            Ok(_) => taken += 1,
            Err(error) => break error,
        }
        assert!(taken < BUFFER_BYTES / 100, "publishing is not held back");
    };
    let PublishError::Produce(error) = &refused else {
        panic!("{refused:?}");
    };
    let is_full = matches!(error.kind(), ProduceErrorKind::BufferFull { .. });
    assert!(is_full, "{refused:?}");
    drop(open);
    let counts = within("closed", publisher.close(DEADLINE)).await;
    assert_eq!(counts.delivered, taken as u64, "{counts:?}");
}

#[derive(Default)]
struct Ends(Mutex<Vec<Option<DeliveryStatus>>>);

impl DeliveryObserver for Ends {
    fn on_failure(&self, context: &DeliveryContext, _error: &PublishError) {
        if context.status() == DeliveryStatus::Failed {
            self.0
                .lock()
                .expect("no panic")
                .push(Some(DeliveryStatus::Failed));
        }
    }

    fn on_shutdown(&self, _counts: &DeliveryCounts) {
        self.0.lock().expect("no panic").push(None);
    }
}

/// Neither retries nor dead letters can be written: each message is told and counted as failed,
/// once, before the end is told.
#[tokio::test(flavor = "multi_thread")]
async fn closing_without_a_cluster_ends_in_time_and_tells_all() {
    const MESSAGES: usize = 300;
    let broker = TestBroker::start().await.unwrap();
    let ends = Arc::new(Ends::default());
    let publisher = hasty(&broker.broker().bootstrap())
        .retry(Retry::fixed(Duration::from_secs(3600)))
        .observer(ends.clone())
        .build()
        .unwrap();
    publisher.deliver(message()).await.unwrap();
    for request in [ApiKey::Produce, ApiKey::Metadata, ApiKey::CreateTopics] {
        broker.broker().faults().always(request, Fault::Disconnect);
    }
    for _ in 0..MESSAGES {
        publisher.publish(message()).await.unwrap();
    }
    until("all wait", || publisher.health().waiting == MESSAGES).await;
    let start = Instant::now();
    let counts = publisher.close(Duration::ZERO).await;
    // Three delivery timeouts, and what a busy machine takes.
    assert!(start.elapsed() < Duration::from_millis(3 * 300 + 2_000));
    assert_eq!(counts.failed, MESSAGES as u64, "{counts:?}");
    assert_eq!(counts.pending(), 0);
    let mut expected = vec![Some(DeliveryStatus::Failed); MESSAGES];
    expected.push(None);
    assert!(
        *ends.0.lock().unwrap() == expected,
        "all are told, the end last"
    );
    assert_eq!(publisher.counts(), counts);
}

/// A probe that says nothing about the cluster is followed by the next one at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_probe_that_is_refused_for_good_costs_no_pause() {
    let broker = TestBroker::start().await.unwrap();
    let pause = Duration::from_secs(5);
    let publisher = hasty(&broker.broker().bootstrap())
        .retry(Retry::none())
        .no_dead_letters()
        .breaker(Breaker::after(1).pause(pause))
        .build()
        .unwrap();
    publisher.deliver(message()).await.unwrap();
    let faults = broker.broker().faults();
    faults.always(ApiKey::Produce, Fault::Fail(ErrorCode::NotEnoughReplicas));
    publisher.deliver(message()).await.unwrap_err();
    assert_eq!(publisher.breaker_state(), BreakerState::Open);
    faults.clear();
    let refused = until_some("a probe passes", async || {
        let refused = publisher.deliver(message().partition(99)).await;
        let refused = refused.expect_err("there is no such partition");
        let is_open = matches!(refused, PublishError::BreakerOpen { .. });
        (!is_open).then_some(refused)
    })
    .await;
    assert!(
        matches!(refused, PublishError::Undelivered { .. }),
        "{refused:?}"
    );
    publisher.deliver(message()).await.unwrap();
    assert_eq!(publisher.breaker_state(), BreakerState::Closed);
}

/// With nothing in the spool nothing is replayed that could probe; a new message does.
#[tokio::test(flavor = "multi_thread")]
async fn a_spool_that_cannot_be_written_does_not_keep_the_breaker_open() {
    let broker = TestBroker::start().await.unwrap();
    let parent = tempfile::tempdir().unwrap();
    let (place, aside) = (parent.path().join("spool"), parent.path().join("aside"));
    let publisher = hasty(&broker.broker().bootstrap())
        .retry(Retry::none())
        .no_dead_letters()
        .breaker(Breaker::after(1).pause(Duration::from_millis(100)))
        .spool(Spool::at(&place))
        .build()
        .unwrap();
    publisher.deliver(message()).await.unwrap();
    std::fs::rename(&place, &aside).unwrap();
    let faults = broker.broker().faults();
    faults.always(ApiKey::Produce, Fault::Fail(ErrorCode::NotEnoughReplicas));
    publisher.deliver(message()).await.unwrap_err();
    let refused = publisher.publish(message()).await.unwrap_err();
    assert!(matches!(refused, PublishError::Spool(_)), "{refused:?}");
    faults.clear();
    until_some("messages pass again", async || {
        publisher.deliver(message()).await.ok()
    })
    .await;
}

/// Closing has the spool take what is left, which is nothing to warn of.
#[tokio::test]
async fn a_clean_close_warns_of_nothing() {
    let (log, _guard) = Log::capture(Targets::new().with_default(LevelFilter::INFO));
    let broker = TestBroker::start().await.unwrap();
    let parent = tempfile::tempdir().unwrap();
    let publisher = hasty(&broker.broker().bootstrap());
    let publisher = publisher.spool(Spool::at(parent.path())).build().unwrap();
    publisher.deliver(message()).await.unwrap();
    let counts = publisher.close(DEADLINE).await;
    assert_eq!((counts.delivered, counts.spooled), (1, 0));
    assert!(log.of("spool_begun").is_empty());
}

/// Failed messages are bounded by their bytes as well as by their number.
#[tokio::test(flavor = "multi_thread")]
async fn publishing_waits_while_too_many_bytes_wait() {
    let broker = TestBroker::start().await.unwrap();
    let publisher = hasty(&broker.broker().bootstrap())
        .retry(Retry::fixed(Duration::from_secs(3600)))
        .no_dead_letters()
        .waiting_bytes_max(250)
        .build()
        .unwrap();
    publisher.deliver(message()).await.unwrap();
    let faults = broker.broker().faults();
    faults.always(ApiKey::Produce, Fault::Fail(ErrorCode::NotEnoughReplicas));
    for waiting in 1..=3 {
        let taken = publisher.publish(message()).now_or_never();
        assert!(taken.is_some(), "{waiting}: there is room");
        until("it waits", || publisher.health().waiting == waiting).await;
    }
    assert!(publisher.publish(message()).now_or_never().is_none());
    let counts = publisher.close(Duration::ZERO).await;
    assert_eq!((counts.accepted, counts.failed), (4, 3), "{counts:?}");
}
