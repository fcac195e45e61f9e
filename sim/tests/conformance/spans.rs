//! Spans: what the client does is told under the names that OpenTelemetry gives it.

use crate::collector::{Collector, Seen};
use anyhow::{Context, Result};
use milena_client::admin::NewTopic;
use milena_client::consumer::{Consumer, ConsumerConfig, OffsetReset};
use milena_client::producer::{ProducerConfig, Record};
use milena_client::security::SaslConfig;
use milena_client::transaction::TransactionalProducer;
use milena_client::{Client, ClientConfig, TopicPartition};
use milena_sim::secured::Secured;
use milena_sim::secured::setup::{PASSWORD, USER};
use milena_sim::target::{Target, on_target, take, unique};
use std::net::Ipv4Addr;
use std::time::Duration;

const WAIT: Duration = Duration::from_secs(30);
/// What the client of these tests calls itself.
const CLIENT_ID: &str = "milena-sim";

/// The last span of this name that has ended: those before may be attempts that failed.
fn last(collector: &Collector, name: &str) -> Result<Seen> {
    let last = collector.ended(name).pop();
    last.with_context(|| format!("no span {name}"))
}

/// Sees that a span has these attributes, whatever else it has.
#[track_caller]
fn check(span: &Seen, expected: &[(&str, &str)]) {
    let found = |name: &str| span.attributes.get(name).map(String::as_str);
    for (name, value) in expected {
        assert_eq!(found(name), Some(*value), "{name} of {span:?}");
    }
    assert_eq!(found("messaging.system"), Some("kafka"), "{span:?}");
    let operation = found("messaging.operation.name");
    assert_eq!(operation, Some(span.name), "{span:?}");
    let is_failure = expected.iter().any(|(name, _)| *name == "error.type");
    assert_eq!(found("error.type").is_some(), is_failure, "{span:?}");
    let status = found("otel.status_code");
    assert_eq!(status, is_failure.then_some("ERROR"), "{span:?}");
}

/// Sees that a span tells the address of one of the brokers.
fn check_server(target: &Target, span: &Seen) {
    let of = |name: &str| span.attributes.get(name).cloned().unwrap_or_default();
    let address = format!("{}:{}", of("server.address"), of("server.port"));
    assert!(
        target.bootstrap().split(',').any(|known| known == address),
        "{address} of {span:?}"
    );
}

async fn send_three(target: &Target, topic: &str) -> Result<()> {
    let config = ProducerConfig::default().linger(Duration::from_secs(5));
    let producer = target.producer(config)?;
    for value in ["one", "two", "three"] {
        let record = Record::to(topic).value(value).partition(1);
        drop(producer.enqueue(record).await?);
    }
    producer.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_batch_has_a_span_with_its_place_and_its_first_offset() -> Result<()> {
    let (collector, _collecting) = Collector::install();
    on_target(async |target| {
        let topic = target.topic("spans", 2).await?;
        for first_offset in ["0", "3"] {
            send_three(&target, &topic).await?;
            let sent = last(&collector, "send")?;
            let expected = [
                ("messaging.operation.type", "send"),
                ("messaging.client.id", CLIENT_ID),
                ("messaging.destination.name", topic.as_str()),
                ("messaging.destination.partition.id", "1"),
                ("messaging.batch.message_count", "3"),
                ("messaging.kafka.offset", first_offset),
                ("otel.kind", "producer"),
                ("otel.name", &format!("send {topic}")),
            ];
            check(&sent, &expected);
            check_server(&target, &sent);
            assert_eq!(sent.parent, None);
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_refused_batch_tells_the_broker_s_code() -> Result<()> {
    let (collector, _collecting) = Collector::install();
    on_target(async |target| {
        let topic = unique("spans-refused");
        let new = NewTopic::new(&topic).config("max.message.bytes", "1000");
        target.create(new).await?;
        let producer = target.producer(ProducerConfig::default())?;
        let value = vec![b'x'; 2000];
        let sent = producer.send(Record::to(&topic).value(&value)).await;
        sent.expect_err("it is larger than the topic allows");
        producer.close().await?;
        let expected = [
            ("messaging.destination.name", topic.as_str()),
            ("error.type", "MESSAGE_TOO_LARGE"),
        ];
        check(&last(&collector, "send")?, &expected);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn polls_and_commits_of_a_group_have_spans() -> Result<()> {
    let (collector, _collecting) = Collector::install();
    on_target(async |target| {
        let topic = target.topic("spans-read", 2).await?;
        send_three(&target, &topic).await?;
        let group = unique("spans");
        let config = ConsumerConfig::group(&*group).auto_offset_reset(OffsetReset::Earliest);
        let consumer = Consumer::new(target.client(), config)?;
        consumer.subscribe([topic.as_str()]).await?;
        while consumer.poll(WAIT).await?.is_empty() {}
        consumer.commit().await?;
        consumer.close().await?;
        let place = [
            ("messaging.consumer.group.name", group.as_str()),
            ("messaging.destination.name", topic.as_str()),
            ("messaging.destination.partition.id", "1"),
            ("otel.kind", "client"),
        ];
        let polled = [
            ("messaging.operation.type", "receive"),
            ("messaging.batch.message_count", "3"),
            ("messaging.kafka.offset", "0"),
        ];
        let poll = last(&collector, "poll")?;
        check(&poll, &[&place[..], &polled].concat());
        let committed = collector.ended("commit");
        let first = committed.first().context("a span")?;
        assert_eq!(first.attributes["messaging.operation.type"], "settle");
        assert_eq!(first.attributes["messaging.consumer.group.name"], group);
        // Positions of partitions without records are committed, too.
        assert_eq!(first.attributes["messaging.destination.name"], topic);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn records_read_one_by_one_come_with_a_span_a_batch() -> Result<()> {
    let (collector, _collecting) = Collector::install();
    on_target(async |target| {
        let topic = target.topic("spans-stream", 2).await?;
        send_three(&target, &topic).await?;
        send_three(&target, &topic).await?;
        let reader = target.reader(&topic, 2).await?;
        take(&reader, 6).await?;
        reader.close().await?;
        let polled = collector.ended("poll");
        let offsets = polled.iter().map(|span| {
            check(span, &[("messaging.batch.message_count", "3")]);
            assert!(
                !span
                    .attributes
                    .contains_key("messaging.consumer.group.name")
            );
            span.attributes["messaging.kafka.offset"].as_str()
        });
        assert_eq!(offsets.collect::<Vec<_>>(), ["0", "3"]);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn each_step_of_a_transaction_has_a_span() -> Result<()> {
    let (collector, _collecting) = Collector::install();
    on_target(async |target| {
        let topic = target.topic("spans-transaction", 1).await?;
        let id = unique("spans");
        let config = ProducerConfig::default().transactional_id(&*id);
        let mut producer = TransactionalProducer::connect(target.client(), config).await?;
        let transaction = producer.begin().await?;
        transaction.send(Record::to(&topic).value("kept")).await?;
        let group = unique("spans");
        let who = milena_client::transaction::ConsumerGroupMetadata::without_member(&*group);
        let offset = (TopicPartition::new(&*topic, 0), 7);
        transaction.send_offsets(&who, &[offset]).await?;
        transaction.commit().await?;
        producer.begin().await?.abort().await?;
        producer.close().await?;
        let own = [("kafka.transactional_id", id.as_str())];
        for name in [
            "init_transactions",
            "send",
            "commit_transaction",
            "abort_transaction",
        ] {
            check(&last(&collector, name)?, &own);
        }
        let expected = [
            own[0],
            ("messaging.operation.type", "settle"),
            ("messaging.consumer.group.name", group.as_str()),
            ("messaging.destination.name", topic.as_str()),
            ("messaging.destination.partition.id", "0"),
            ("messaging.kafka.offset", "7"),
        ];
        check(&last(&collector, "send_offsets_to_transaction")?, &expected);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn an_administrator_s_calls_and_the_connections_they_need_have_spans() -> Result<()> {
    let (collector, _collecting) = Collector::install();
    on_target(async |target| {
        let topic = target.topic("spans-admin", 1).await?;
        let admin = target.admin();
        admin.describe_topics(&[topic.as_str()]).await?;
        let missing = unique("spans-missing");
        let deleted = admin.delete_groups(&[missing.as_str()]).await;
        deleted[0].1.as_ref().expect_err("there is none");
        let calls = collector.ended("admin");
        for (call, expected) in [
            ("creation of topics", None),
            ("description of topics", None),
            ("deletion of groups", Some("GROUP_ID_NOT_FOUND")),
        ] {
            let named = |span: &&Seen| span.attributes["kafka.admin.call"] == call;
            let span = calls.iter().find(named).context(call)?;
            let mut attributes = vec![("otel.kind", "client")];
            attributes.extend(expected.map(|code| ("error.type", code)));
            check(span, &attributes);
        }
        let connected = collector.ended("connect");
        let within = connected.iter().find(|span| span.parent == Some("admin"));
        let within = within.context("the first call connects")?;
        check(within, &[("messaging.client.id", CLIENT_ID)]);
        check_server(&target, within);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn an_address_without_a_broker_fails_in_its_span() -> Result<()> {
    let (collector, _collecting) = Collector::install();
    // Bound, so that nobody else is given the port, and not listening.
    let silent = tokio::net::TcpSocket::new_v4()?;
    silent.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    let free = silent.local_addr()?;
    let client = Client::new(ClientConfig::new(&free.to_string()))?;
    let refused = client.check_connection().await;
    refused.expect_err("nobody listens");
    client.close().await;
    let port = free.port().to_string();
    let expected = [
        ("server.address", "127.0.0.1"),
        ("server.port", port.as_str()),
        ("error.type", "connect"),
    ];
    let failed = collector.ended("connect");
    check(failed.first().context("a span")?, &expected);
    Ok(())
}

#[tokio::test]
async fn authentication_is_a_part_of_connecting() -> Result<()> {
    let Some(secured) = Secured::start().await? else {
        return Ok(());
    };
    let (collector, _collecting) = Collector::install();
    for (password, failure) in [(PASSWORD, None), ("wrong", Some("authentication"))] {
        let config = secured.config("SASL_PLAINTEXT")?;
        let client = Client::new(config.sasl(SaslConfig::scram_sha_512(USER, password)))?;
        let connected = client.check_connection().await;
        assert_eq!(connected.is_ok(), failure.is_none(), "{connected:?}");
        client.close().await;
        let span = last(&collector, "authenticate")?;
        let mut expected = vec![("kafka.sasl.mechanism", "SCRAM-SHA-512")];
        expected.extend(failure.map(|failure| ("error.type", failure)));
        check(&span, &expected);
        assert_eq!(span.parent, Some("connect"));
    }
    Ok(())
}
