//! A message that failed is made of its record again: whatever was published comes through, on
//! every way it takes.

use std::collections::BTreeMap;
use std::time::Duration;

use milena::testing::{ApiKey, ErrorCode, Fault};
use milena::{
    Delivered, DeliveryContext, DeliveryObserver, MESSAGE_ID_HEADER, Outgoing, PublishError,
    Publisher, RecordMetadata, Retry, dead_letter,
};
use tokio::sync::mpsc::Sender;

use crate::setup::{Bench, DEADLINE, reports};

const PARTITION: i32 = 2;
const TIMESTAMP: i64 = 1_700_000_000_123;

type Headers = Vec<(String, Option<Vec<u8>>)>;

/// All that an observer sees of a message.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    id: String,
    topic: String,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Headers,
    tenant: Option<String>,
}

impl From<&DeliveryContext> for Seen {
    fn from(context: &DeliveryContext) -> Seen {
        let headers = context.headers();
        Seen {
            id: context.message_id().to_string(),
            topic: context.topic().to_owned(),
            key: context.key().map(|key| key.to_vec()),
            value: context.value().map(|value| value.to_vec()),
            headers: headers
                .map(|(name, value)| (name.to_owned(), value.map(<[u8]>::to_vec)))
                .collect(),
            tenant: context.metadata("tenant").map(str::to_owned),
        }
    }
}

#[derive(Debug)]
enum Told {
    Failed(Seen),
    Written(Seen),
}

struct Observer(Sender<Told>);

impl DeliveryObserver for Observer {
    fn on_success(&self, context: &DeliveryContext, _written: &RecordMetadata) {
        self.0
            .try_send(Told::Written(context.into()))
            .expect("room");
    }

    fn on_failure(&self, context: &DeliveryContext, _error: &PublishError) {
        self.0.try_send(Told::Failed(context.into())).expect("room");
    }
}

/// Messages of all shapes, for one partition, so that one batch has them all.
fn messages() -> Vec<Outgoing> {
    let to = || Outgoing::to("orders").partition(PARTITION);
    vec![
        to(),
        to().value("only a value"),
        to().key("k").value("").metadata("tenant", "seven"),
        to().key("a tombstone").timestamp(TIMESTAMP),
        to().id("given").value("with an id"),
        to().value("many headers")
            .header("a", "1")
            .null_header("a")
            .header("", vec![0xff, 0x00])
            .header("b", "2"),
        to().id("").header("behind the id", "x"),
    ]
}

/// Compressed or not, sent once or several times.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_tried_again_is_what_was_published() {
    for codec in ["none", "zstd"] {
        let bench = Bench::new().await;
        bench.create("orders", PARTITION + 1).await;
        let Some(faults) = bench.faults() else { return };
        let config = bench
            .builder()
            .set("compression.type", codec)
            .set("linger.ms", "20")
            .set("request.timeout.ms", "200")
            .set("delivery.timeout.ms", "300")
            .build()
            .expect("a config");
        let (sender, mut told) = reports();
        let publisher = Publisher::new(&config)
            .expect("a publisher")
            .reliable()
            .retry(Retry::fixed(Duration::from_millis(20)).attempts(1000))
            .observer(Observer(sender))
            .build()
            .expect("a publisher");
        faults.always(ApiKey::Produce, Fault::Fail(ErrorCode::NotEnoughReplicas));
        let mut ids = Vec::new();
        for message in messages() {
            ids.push(publisher.publish(message).await.expect("taken").to_string());
        }
        let mut failed = BTreeMap::new();
        for told in told.take(2 * ids.len()).await {
            let Told::Failed(seen) = told else {
                panic!("{codec}: written although nothing could be: {told:?}");
            };
            let before = failed.insert(seen.id.clone(), seen.clone());
            assert!(
                before.is_none_or(|before| before == seen),
                "{codec}: {seen:?}"
            );
        }
        let cleared_at = jiff::Timestamp::now().as_millisecond();
        faults.clear();
        publisher.flush(DEADLINE).await.expect("all are written");
        let mut written = BTreeMap::new();
        while written.len() < ids.len() {
            if let Told::Written(seen) = told.next().await {
                written.insert(seen.id.clone(), seen);
            }
        }
        assert_eq!(failed, written, "{codec}");
        for (message, id) in messages().into_iter().zip(&ids) {
            let seen = &written[id];
            assert_eq!(seen.topic, message.topic(), "{codec}: {seen:?}");
        }
        assert_eq!(written[&ids[2]].tenant.as_deref(), Some("seven"));
        let records = bench.read("orders", ids.len()).await;
        for record in &records {
            let own_id = record.headers().get_last(MESSAGE_ID_HEADER);
            let id = own_id.and_then(|header| header.value).expect("an id");
            let seen = &written[&String::from_utf8_lossy(id).into_owned()];
            assert_eq!(record.key(), seen.key.as_deref(), "{codec}");
            assert_eq!(record.value(), seen.value.as_deref(), "{codec}");
            assert_eq!(record.partition(), PARTITION, "{codec}");
            let headers = record.headers().iter();
            let mut headers: Headers = headers
                .map(|header| {
                    (
                        header.key_text().into_owned(),
                        header.value.map(<[u8]>::to_vec),
                    )
                })
                .collect();
            // An id that was made is not among the message's own.
            if seen.headers.len() < headers.len() {
                headers.pop();
            }
            assert_eq!(headers, seen.headers, "{codec}");
            // It says when the message was published, not when it was tried last.
            match record.timestamp() {
                TIMESTAMP => assert_eq!(record.key(), Some(&b"a tombstone"[..])),
                at => assert!(at < cleared_at, "{codec}: {at} of {cleared_at}"),
            }
        }
        let counts = publisher.close(DEADLINE).await;
        assert_eq!((counts.delivered, counts.pending()), (ids.len() as u64, 0));
    }
}

/// The broker took it away for good: the letter has all of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_made_of_the_record() {
    let bench = Bench::new().await;
    bench.create("orders", PARTITION + 1).await;
    let Some(faults) = bench.faults() else { return };
    let publisher = bench.publisher.reliable().build().expect("a publisher");
    faults.next(ApiKey::Produce, Fault::Fail(ErrorCode::InvalidRecord));
    let message = Outgoing::to("orders")
        .partition(PARTITION)
        .timestamp(TIMESTAMP)
        .key("k")
        .value("v")
        .header("a", "1");
    let end = publisher.deliver(message).await.expect("a dead letter");
    assert_eq!(end, Delivered::DeadLettered(bench.name("orders.dlq")));
    let letter = bench.read("orders.dlq", 1).await.remove(0);
    assert_eq!(
        (letter.key(), letter.value()),
        (Some(&b"k"[..]), Some(&b"v"[..]))
    );
    assert_eq!(letter.timestamp(), TIMESTAMP);
    let header = |name| {
        letter
            .headers()
            .get_last(name)
            .and_then(|header| header.value)
    };
    assert_eq!(header("a"), Some(&b"1"[..]));
    assert!(header(dead_letter::MESSAGE_ID).is_some());
}
