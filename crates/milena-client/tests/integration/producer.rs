//! The producer over TCP against the embedded broker, faults included. What was written is read
//! back with plain Fetch requests, so that no consumer can hide a mistake.

use std::time::Duration;

use milena_broker::{ApiKey, Broker, Fault};
use milena_client::producer::{
    Header, ProduceError, ProduceErrorKind, Producer, ProducerConfig, Record,
};
use milena_client::{Client, ClientConfig, ErrorCode};

use crate::support::{read_back, start_broker, start_broker_with};

const SOON: Duration = Duration::from_secs(10);

/// Retries at once, so that tests with faults are quick.
fn client(broker: &Broker) -> Client {
    let config = ClientConfig::new(&broker.bootstrap())
        .retry_backoff(Duration::from_millis(1), Duration::from_millis(5))
        .reconnect_backoff(Duration::from_millis(1), Duration::from_millis(5))
        .request_timeout(Duration::from_secs(2));
    Client::new(config).unwrap()
}

fn producer(broker: &Broker, config: ProducerConfig) -> Producer {
    Producer::new(&client(broker), config).unwrap()
}

fn quick() -> ProducerConfig {
    ProducerConfig::default()
        .request_timeout(Duration::from_secs(1))
        .delivery_timeout(Duration::from_secs(20))
}

/// Sends `count` numbered records in small batches; returns how each ended.
async fn send_numbers(
    producer: &Producer,
    topic: &str,
    count: usize,
) -> Vec<Result<Option<i64>, ProduceError>> {
    let mut deliveries = Vec::new();
    for number in 0..count {
        let value = format!("{number:06}");
        let record = Record::to(topic).partition(0).value(&value);
        deliveries.push(producer.enqueue(record).await.unwrap());
    }
    let mut results = Vec::new();
    for delivery in deliveries {
        results.push(delivery.await.map(|metadata| metadata.offset()));
    }
    results
}

/// What must be true whatever the network did: everything acknowledged is there once, in order.
async fn check_written(
    broker: &Broker,
    topic: &str,
    results: &[Result<Option<i64>, ProduceError>],
) {
    let acknowledged: Vec<String> = (0..results.len())
        .filter(|number| results[*number].is_ok())
        .map(|number| format!("{number:06}"))
        .collect();
    let records = read_back(broker, topic, 0).await;
    let written: Vec<String> = records
        .iter()
        .map(|record| String::from_utf8(record.value.clone().unwrap()).unwrap())
        .collect();
    assert!(
        written.is_sorted_by(|a, b| a < b),
        "doubled or reordered: {written:?}"
    );
    for value in &acknowledged {
        assert!(
            written.contains(value),
            "{value} was acknowledged and is not there"
        );
    }
    for (number, result) in results.iter().enumerate() {
        if let Ok(Some(offset)) = result {
            let record = &records[usize::try_from(*offset).unwrap()];
            assert_eq!(
                record.value.as_deref(),
                Some(format!("{number:06}").as_bytes())
            );
        }
    }
}

#[tokio::test]
async fn a_record_arrives_as_it_was_sent() {
    let broker = start_broker().await;
    let producer = producer(&broker, quick());
    let headers = [
        Header {
            key: "a",
            value: Some(b"1"),
        },
        Header {
            key: "a",
            value: None,
        },
        Header {
            key: "b",
            value: Some(b""),
        },
    ];
    let record = Record::to("t")
        .key(b"k")
        .value(b"v")
        .headers(&headers)
        .timestamp(1_234)
        .partition(0);
    let first = producer.send(record).await.unwrap();
    let second = producer.send(Record::to("t").partition(0)).await.unwrap();
    assert_eq!((first.offset(), second.offset()), (Some(0), Some(1)));
    let records = read_back(&broker, "t", 0).await;
    assert_eq!(records[0].key.as_deref(), Some(&b"k"[..]));
    assert_eq!(records[0].timestamp, 1_234);
    let headers: Vec<_> = records[0]
        .headers
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_deref()))
        .collect();
    assert_eq!(
        headers,
        [("a", Some(&b"1"[..])), ("a", None), ("b", Some(&b""[..]))]
    );
    assert_eq!((&records[1].key, &records[1].value), (&None, &None));
    producer.close().await.unwrap();
}

#[tokio::test]
async fn batches_fill_and_keep_their_order() {
    let broker = start_broker().await;
    let producer = producer(&broker, quick().batch_bytes_max(1_000));
    let results = send_numbers(&producer, "t", 5_000).await;
    let offsets: Vec<_> = results
        .iter()
        .map(|result| result.clone().unwrap().unwrap())
        .collect();
    assert_eq!(offsets, (0..5_000).collect::<Vec<i64>>());
    check_written(&broker, "t", &results).await;
}

#[tokio::test]
async fn faults_on_the_way_lose_double_and_reorder_nothing() {
    let faults = [
        Fault::Fail(ErrorCode::NotLeaderOrFollower),
        Fault::Fail(ErrorCode::RequestTimedOut),
        Fault::Disconnect,
        Fault::DisconnectAfter,
        Fault::DropResponse,
        Fault::Delay(Duration::from_millis(50)),
    ];
    for fault in faults {
        let broker = start_broker().await;
        let producer = producer(&broker, quick().batch_bytes_max(500));
        for nth in [1, 3, 4, 9] {
            broker.faults().nth(ApiKey::Produce, nth, fault);
        }
        let results = send_numbers(&producer, "t", 1_000).await;
        assert!(
            results.iter().all(Result::is_ok),
            "{fault:?}: {:?}",
            results.iter().find(|r| r.is_err())
        );
        check_written(&broker, "t", &results).await;
        assert_eq!(read_back(&broker, "t", 0).await.len(), 1_000, "{fault:?}");
    }
}

#[tokio::test]
async fn pitfall_07_records_after_a_failed_batch_are_written_before_they_are_acknowledged() {
    let broker = start_broker().await;
    let producer = producer(&broker, quick().batch_bytes_max(500));
    broker
        .faults()
        .nth(ApiKey::Produce, 3, Fault::Fail(ErrorCode::InvalidRecord));
    let results = send_numbers(&producer, "t", 1_000).await;
    let refused = results.iter().filter(|result| result.is_err()).count();
    assert!(
        (1..1_000).contains(&refused),
        "one batch is refused, the rest goes on: {refused}"
    );
    check_written(&broker, "t", &results).await;
    assert_eq!(read_back(&broker, "t", 0).await.len(), 1_000 - refused);
}

#[tokio::test]
async fn flush_and_close_account_for_everything() {
    let broker = start_broker().await;
    let producer = producer(&broker, quick().linger(Duration::from_secs(5)));
    let delivery = producer
        .enqueue(Record::to("t").value(b"1").partition(0))
        .await
        .unwrap();
    producer.flush(SOON).await.unwrap();
    assert!(
        delivery.try_result().unwrap().is_ok(),
        "flush does not linger"
    );
    let delivery = producer
        .enqueue(Record::to("t").value(b"2").partition(0))
        .await
        .unwrap();
    producer.close().await.unwrap();
    assert!(delivery.try_result().unwrap().is_ok(), "close flushes");
    let refused = producer.send(Record::to("t").value(b"3")).await;
    assert!(matches!(
        refused.unwrap_err().kind(),
        ProduceErrorKind::Closed
    ));
    assert_eq!(read_back(&broker, "t", 0).await.len(), 2);
}

#[tokio::test]
async fn what_a_dropped_producer_accepted_still_goes_out() {
    let broker = start_broker().await;
    let producer = producer(&broker, quick().linger(Duration::from_secs(5)));
    let delivery = producer
        .enqueue(Record::to("t").value(b"1").partition(0))
        .await
        .unwrap();
    drop(producer);
    tokio::time::timeout(SOON, delivery).await.unwrap().unwrap();
    assert_eq!(read_back(&broker, "t", 0).await.len(), 1);
}

#[tokio::test]
async fn a_closed_client_ends_its_producers() {
    let broker = start_broker().await;
    let client = Client::new(ClientConfig::new(&broker.bootstrap())).unwrap();
    let producer = Producer::new(&client, quick()).unwrap();
    producer.send(Record::to("t").value(b"1")).await.unwrap();
    client.close().await;
    let record = Record::to("t").value(b"2");
    let refused = tokio::time::timeout(SOON, producer.send(record)).await;
    let error = refused.unwrap().unwrap_err();
    assert!(matches!(error.kind(), ProduceErrorKind::Closed), "{error}");
}

#[tokio::test]
async fn an_awaited_send_does_not_linger() {
    let broker = start_broker().await;
    let producer = producer(&broker, quick().linger(Duration::from_secs(10)));
    let sends = async {
        for _ in 0..10 {
            producer.send(Record::to("t").value(b"1")).await.unwrap();
        }
    };
    tokio::time::timeout(SOON, sends)
        .await
        .expect("ten sends take less than one linger");
}

#[tokio::test]
async fn memory_is_bounded_and_back_pressures() {
    let broker = start_broker().await;
    broker
        .faults()
        .next(ApiKey::Produce, Fault::Delay(Duration::from_millis(200)));
    let config = quick()
        .batch_bytes_max(4_096)
        .request_bytes_max(4_096)
        .buffer_bytes_max(16_384);
    let producer = producer(&broker, config);
    let topic = producer.topic("t").await.unwrap();
    let value = [7_u8; 1_000];
    let mut accepted = Vec::new();
    let refused = loop {
        match topic.try_enqueue(Record::to("t").value(&value).partition(0)) {
            Ok(delivery) => accepted.push(delivery),
            Err(error) => break error,
        }
        assert!(accepted.len() <= 16, "more is buffered than allowed");
    };
    assert!(
        matches!(refused.kind(), ProduceErrorKind::BufferFull { .. }),
        "{refused}"
    );
    // Waiting for space works where trying did not, and nothing that was accepted is lost.
    for _ in 0..50 {
        accepted.push(
            topic
                .enqueue(Record::to("t").value(&value).partition(0))
                .await
                .unwrap(),
        );
    }
    let count = accepted.len();
    for delivery in accepted {
        delivery.await.unwrap();
    }
    assert_eq!(read_back(&broker, "t", 0).await.len(), count);
}

#[tokio::test]
async fn a_record_that_cannot_fit_is_refused_at_once() {
    let broker = start_broker().await;
    let producer = producer(&broker, quick());
    let value = vec![0; 2 << 20];
    let error = producer
        .send(Record::to("t").value(&value))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("max.request.size=1048576"),
        "{error}"
    );
    let error = producer
        .send(Record::to("t").partition(99))
        .await
        .unwrap_err();
    assert!(
        matches!(
            error.kind(),
            ProduceErrorKind::NoSuchPartition { partition: 99, .. }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn an_unknown_topic_is_a_typed_error() {
    let broker = start_broker_with(&[("auto.create.topics.enable", "false")]).await;
    let producer = producer(&broker, quick().max_block(Duration::from_millis(300)));
    let error = producer
        .send(Record::to("nowhere").value(b"1"))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("nowhere"), "{error}");
    assert!(matches!(
        producer
            .try_enqueue(Record::to("nowhere"))
            .unwrap_err()
            .kind(),
        ProduceErrorKind::TopicNotReady { .. }
    ));
}

#[tokio::test]
async fn a_broker_that_never_answers_is_given_up() {
    let broker = start_broker().await;
    broker.faults().always(ApiKey::Produce, Fault::DropResponse);
    let config = ProducerConfig::default()
        .request_timeout(Duration::from_millis(100))
        .delivery_timeout(Duration::from_millis(600));
    let producer = producer(&broker, config);
    let sent = producer.send(Record::to("t").value(b"1"));
    let error = tokio::time::timeout(SOON, sent).await.unwrap().unwrap_err();
    assert!(
        matches!(
            error.kind(),
            ProduceErrorKind::TimedOut {
                maybe_written: true,
                ..
            }
        ),
        "{error}"
    );
    // The next record is written once the broker answers again, under a new epoch.
    broker.faults().clear();
    producer.send(Record::to("t").value(b"2")).await.unwrap();
}

#[tokio::test]
async fn many_tasks_share_one_producer() {
    let broker = start_broker_with(&[("num.partitions", "12")]).await;
    let producer = producer(&broker, quick());
    let tasks = (0..20).map(|task| {
        let producer = producer.clone();
        tokio::spawn(async move {
            for number in 0..100 {
                let key = format!("{task}-{number}");
                producer
                    .send(Record::to("t").key(&key).value(&key))
                    .await
                    .unwrap();
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let mut total = 0;
    for partition in 0..12 {
        for record in read_back(&broker, "t", partition).await {
            let key = record.key.unwrap();
            assert_eq!(
                milena_client::partitioner::partition_for_key(&key, 12),
                partition
            );
            total += 1;
        }
    }
    assert_eq!(total, 2_000);
}
