//! Topics by id and page by page, what has settings, and brokers that are gone.

use anyhow::Result;
use milena_client::admin::{ConfigKind, ConfigResource};
use milena_client::{Error, ErrorCode, NodeId};
use milena_sim::target::{eventually, on_target, unique};

/// No cluster under test has so many brokers.
const ABSENT: NodeId = NodeId(9_999);

#[tokio::test(flavor = "multi_thread")]
async fn topics_are_described_by_their_ids() -> Result<()> {
    on_target(async |target| {
        let admin = target.admin();
        let name = target.topic("by-id", 3).await?;
        let by_name = admin.describe_topics(&[&name]).await?.remove(0).1?;
        let unknown = uuid::Uuid::from_u128(fastrand::u128(..));
        let asked = [unknown, by_name.id];
        let by_id = eventually("every broker knows the id", async || {
            let mut described = admin.describe_topics_by_id(&asked).await?;
            Ok(described
                .pop()
                .and_then(|last| last.1.ok().zip(described.pop())))
        });
        let (by_id, (id, absent)) = by_id.await?;
        assert_eq!(by_id, by_name);
        let code = absent.err().and_then(|error| error.code());
        assert_eq!((id, code), (unknown, Some(ErrorCode::UnknownTopicId)));
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_are_described_page_by_page() -> Result<()> {
    on_target(async |target| {
        let admin = target.admin();
        let prefix = unique("pages");
        let names = [format!("{prefix}-a"), format!("{prefix}-b")];
        for name in &names {
            let topic = milena_client::admin::NewTopic::new(name).partitions(3);
            target.create(topic).await?;
        }
        let missing = format!("{prefix}-c");
        let asked = [names[0].as_str(), names[1].as_str(), missing.as_str()];
        let (mut seen, mut absent, mut start, mut pages) = (Vec::new(), Vec::new(), None, 0);
        loop {
            let page = admin.describe_topic_page(&asked, start.as_ref(), 2).await?;
            pages += 1;
            for (name, described) in page.topics {
                match described {
                    Ok(topic) => {
                        let partitions = topic.partitions.into_iter();
                        seen.extend(partitions.map(|partition| (name.clone(), partition.index)));
                    }
                    Err(error) => absent.push((name, error.code())),
                }
            }
            start = page.next;
            if start.is_none() {
                break;
            }
        }
        let names = names.iter();
        let expected = names.flat_map(|name| (0..3).map(move |index| (name.clone(), index)));
        assert_eq!(seen, expected.collect::<Vec<_>>());
        let code = ErrorCode::UnknownTopicOrPartition;
        assert_eq!(absent, [(missing, Some(code))]);
        assert!(pages >= 3, "{pages} pages");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_settings_is_listed() -> Result<()> {
    on_target(async |target| {
        let admin = target.admin();
        let topic = target.topic("has-settings", 1).await?;
        let metrics = admin
            .list_config_resources(&[ConfigKind::ClientMetrics])
            .await?;
        let are_metrics =
            |found: &ConfigResource| matches!(found, ConfigResource::ClientMetrics(_));
        assert!(metrics.iter().all(are_metrics), "{metrics:?}");
        let brokers = match admin.list_config_resources(&[ConfigKind::Broker]).await {
            // Before 4.1 only client metrics are listed.
            Err(Error::Unsupported { api, .. }) => {
                eprintln!("left out: the broker has no {api} of version 1");
                return Ok(());
            }
            found => found?,
        };
        let cluster = admin.describe_cluster().await?;
        let expected = cluster.brokers.iter().map(|broker| broker.node);
        let expected: Vec<_> = expected.map(ConfigResource::Broker).collect();
        assert_eq!(brokers, expected);
        let all = admin.list_config_resources(&[]).await?;
        for one in [ConfigResource::Topic(topic), brokers[0].clone()] {
            assert!(all.contains(&one), "{one:?} in {all:?}");
        }
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_nobody_knows_cannot_be_forgotten() -> Result<()> {
    on_target(async |target| {
        let refused = target.admin().unregister_broker(ABSENT).await;
        let code = refused.err().and_then(|error| error.code());
        assert_eq!(code, Some(ErrorCode::BrokerIdNotRegistered));
        Ok(())
    })
    .await
}
