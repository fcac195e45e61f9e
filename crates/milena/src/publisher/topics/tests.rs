use milena_client::producer::{Producer, ProducerConfig};
use milena_client::{Client, ClientConfig};

use super::*;
use crate::testing::Broker;

#[tokio::test]
async fn each_topic_is_found_by_its_own_name() {
    let broker = Broker::builder().start().await.unwrap();
    let client = Client::new(ClientConfig::new(&broker.bootstrap())).unwrap();
    let producer = Producer::new(&client, ProducerConfig::default()).unwrap();
    let topics = Topics::default();
    let names: Vec<String> = (0..2 * FEW)
        .map(|number| format!("topic-{number}"))
        .collect();
    for (count, name) in names.iter().enumerate() {
        assert!(topics.find(name, &mut None).is_none(), "{name}");
        let topic = producer.topic(&format!("test.{name}")).await.unwrap();
        topics.remember(name, &topic);
        for known in &names[..=count] {
            let mut room = None;
            let found = topics.find(known, &mut room).expect("it is remembered");
            assert_eq!(found.name(), format!("test.{known}"));
        }
    }
    for unknown in ["topic", ""] {
        assert!(topics.find(unknown, &mut None).is_none());
    }
}
