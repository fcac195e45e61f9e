//! Brokers that fail, wait, drop and come back.

use std::time::{Duration, Instant};

use milena_broker::{ApiKey, Broker, ErrorCode, Fault};
use milena_client::admin::{NewTopic, OffsetAt};
use milena_client::producer::{Acks, Producer, ProducerConfig, Record};
use milena_client::{Admin, Client, ClientConfig, Error, TopicPartition};

use crate::cluster::{Cluster, PATIENCE, client, start_broker_with_faults, unique};
use crate::support::reserve;

#[tokio::test]
async fn a_cluster_can_be_checked() {
    let cluster = Cluster::start().await;
    cluster
        .client()
        .check_connection()
        .await
        .expect("it is there");
}

#[tokio::test]
async fn a_missing_cluster_is_told_soon() {
    let (_reserved, address) = reserve();
    let client = client(&address);
    let started = Instant::now();
    let error = client
        .check_connection()
        .await
        .expect_err("nobody is there");
    assert!(matches!(error, Error::Connect { .. }), "{error}");
    assert!(started.elapsed() < PATIENCE / 2);
}

#[tokio::test]
async fn what_a_broker_cannot_do_now_is_repeated() {
    for fault in [Fault::Fail(ErrorCode::NotController), Fault::Disconnect] {
        let (broker, faults) = start_broker_with_faults().await;
        let admin = Admin::new(&client(&broker.bootstrap()));
        faults.times(ApiKey::CreateTopics, 2, fault);
        admin
            .create_topic(NewTopic::new("orders"))
            .await
            .expect("the third attempt succeeds");
        assert_eq!(faults.requests_seen(ApiKey::CreateTopics), 3, "{fault:?}");
    }
}

#[tokio::test]
async fn pitfall_23_an_answer_that_never_comes_costs_one_timeout() {
    let (broker, faults) = start_broker_with_faults().await;
    let config = ClientConfig::new(&broker.bootstrap())
        .request_timeout(Duration::from_millis(300))
        .reconnect_backoff(Duration::from_millis(10), Duration::from_millis(100));
    let client = Client::new(config).expect("the configuration is valid");
    client.check_connection().await.expect("it is there");
    let admin = Admin::new(&client);
    faults.next(ApiKey::CreateTopics, Fault::DropResponse);
    let error = admin
        .create_topic(NewTopic::new("orders"))
        .await
        .expect_err("no answer comes");
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
    let topics = admin
        .timeout(PATIENCE)
        .list_topics()
        .await
        .expect("a new connection works");
    assert_eq!(topics.len(), 1);
}

/// The answers behind one that is left out do not fit their requests. All of them are asked for again on
/// another connection, at once: nobody waits for a timeout, and nobody is told of it.
#[tokio::test]
async fn pitfall_23_requests_whose_answers_do_not_fit_are_repeated_at_once() {
    let (broker, faults) = start_broker_with_faults().await;
    let admin = Admin::new(&client(&broker.bootstrap())).timeout(PATIENCE);
    admin
        .create_topic(NewTopic::new("orders").partitions(1))
        .await
        .expect("it is new");
    let partition = [TopicPartition::new("orders", 0)];
    let offsets = async || {
        let mut offsets = admin.list_offsets(&partition, OffsetAt::Latest).await?;
        offsets.remove(0).1
    };
    assert_eq!(offsets().await.expect("it has a leader"), Some(0));
    let (started, before) = (Instant::now(), faults.requests_seen(ApiKey::ListOffsets));
    faults.next(ApiKey::ListOffsets, Fault::DropResponse);
    let (first, second) = tokio::join!(offsets(), offsets());
    for offset in [first, second] {
        assert_eq!(offset.expect("it is asked again"), Some(0));
    }
    assert_eq!(faults.requests_seen(ApiKey::ListOffsets) - before, 4);
    assert!(started.elapsed() < PATIENCE / 2, "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_broker_that_comes_back_is_found_again() {
    let (_reserved, address) = reserve();
    let start = || Broker::builder().listen(&address).start();
    let broker = start().await.expect("a broker");
    let client = client(&address);
    let admin = Admin::new(&client).timeout(PATIENCE);
    admin.list_topics().await.expect("it is there");
    broker.stop().await;
    let (listing, _broker) = tokio::join!(admin.list_topics(), async {
        start().await.expect("the port is free again")
    });
    listing.expect("it is there again");
    client.check_connection().await.expect("it is there again");
}

#[tokio::test]
async fn what_needs_no_answer_is_written_before_a_producer_is_closed() {
    const RECORDS: usize = 10_000;
    let cluster = Cluster::start().await;
    let client = cluster.client();
    let topic = unique("orders");
    let new = NewTopic::new(&topic).partitions(1);
    cluster.admin().create_topic(new).await.expect("it is new");
    let config = ProducerConfig::default()
        .acks(Acks::None)
        .enable_idempotence(false);
    let producer = Producer::new(&client, config).expect("it is valid");
    for _ in 0..RECORDS {
        let record = Record::to(&topic).value(&[0; 1000]);
        drop(producer.enqueue(record).await.expect("there is room"));
    }
    producer.close().await.expect("all is written");
    client.close().await;
    // The broker may still be reading.
    let admin = cluster.admin();
    let partition = [TopicPartition::new(topic.as_str(), 0)];
    let started = Instant::now();
    let mut end = None;
    while end != Some(RECORDS as i64) && started.elapsed() < PATIENCE {
        let mut offsets = admin
            .list_offsets(&partition, OffsetAt::Latest)
            .await
            .expect("it answers");
        end = offsets.remove(0).1.expect("it has a leader");
    }
    assert_eq!(end, Some(RECORDS as i64));
}

#[tokio::test]
async fn a_closed_client_says_so() {
    let cluster = Cluster::start().await;
    let client = cluster.client();
    let admin = Admin::new(&client);
    admin.list_topics().await.expect("it is there");
    client.close().await;
    for error in [
        admin.list_topics().await.expect_err("it is closed"),
        client.check_connection().await.expect_err("it is closed"),
        Admin::new(&client)
            .create_topic(NewTopic::new(unique("orders")))
            .await
            .expect_err("closed"),
    ] {
        assert!(matches!(error, Error::Closed), "{error}");
    }
}

#[test]
fn dropping_a_client_neither_blocks_nor_leaves_tasks_behind() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let cluster = Cluster::start().await;
        let before = tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks();
        let client = cluster.client();
        let admin = Admin::new(&client);
        admin.list_topics().await.expect("it is there");
        client.check_connection().await.expect("it is there");
        let started = Instant::now();
        drop((client, admin));
        let alive = || {
            tokio::runtime::Handle::current()
                .metrics()
                .num_alive_tasks()
        };
        while alive() > before && started.elapsed() < PATIENCE {
            tokio::task::yield_now().await;
        }
        assert!(
            alive() <= before,
            "{} tasks are left, {before} were there",
            alive()
        );
    });
}
