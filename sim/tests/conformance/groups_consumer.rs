//! Groups of the new protocol (KIP-848): the coordinator assigns.
//!
//! Apache Kafka 3.9 has it as a preview that is off; there these tests see that the client says so.

use crate::groups;
use crate::groups_membership::{Members, config, until};
use anyhow::{Result, bail};
use milena_client::consumer::{Consumer, ConsumerConfig};
use milena_client::group::{Assignor, GroupProtocol};
use milena_sim::target::{Target, on_target, unique};
use std::sync::Arc;
use std::time::Duration;

const POLL_WAIT: Duration = Duration::from_millis(50);
const JOIN_WAIT: Duration = Duration::from_secs(20);

/// Whether the cluster has the protocol. If not, the client must have said so.
async fn is_supported(target: &Target) -> Result<bool> {
    let topic = target.topic("supported", 1).await?;
    let config = ConsumerConfig::group(unique("supported")).group_protocol(GroupProtocol::Consumer);
    let consumer = Consumer::new(target.client(), config)?;
    consumer.subscribe([topic]).await?;
    let deadline = tokio::time::Instant::now() + JOIN_WAIT;
    while tokio::time::Instant::now() < deadline {
        if let Err(error) = consumer.poll(POLL_WAIT).await {
            let text = error.to_string();
            assert!(text.contains("group.protocol=classic"), "{text}");
            assert!(!consumer.is_alive());
            println!("skipped: {text}");
            return Ok(false);
        }
        if consumer.health().is_member {
            consumer.close().await?;
            return Ok(true);
        }
    }
    bail!("neither a member nor an error within {JOIN_WAIT:?}")
}

/// Runs `test` where the protocol is supported.
pub(crate) async fn on_supporting<F, T>(test: F) -> Result<()>
where
    F: FnOnce(Arc<Target>) -> T,
    T: Future<Output = Result<()>>,
{
    on_target(async |target| match is_supported(&target).await? {
        true => test(target).await,
        false => Ok(()),
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_members_rebalance_with_the_consumer_protocol() -> Result<()> {
    let unused: [&'static [Assignor]; 2] = [&[Assignor::Range]; 2];
    on_supporting(async |target| groups::check(target, GroupProtocol::Consumer, unused).await).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_member_may_choose_the_remote_assignor() -> Result<()> {
    on_supporting(async |target| {
        let topic = target.topic("remote", 4).await?;
        let group = unique("remote");
        let configure = |assignor: &str| {
            config(&group, GroupProtocol::Consumer).group_remote_assignor(assignor)
        };
        let members = Members::start(&target, vec![configure("range"), configure("range")])?;
        members.subscribe(&topic).await?;
        until("each has a run", || {
            let runs = members.partitions();
            Ok(runs == [vec![0, 1], vec![2, 3]] || runs == [vec![2, 3], vec![0, 1]])
        })
        .await?;
        members.close().await?;

        let consumer = Consumer::new(target.client(), configure("nearest"))?;
        consumer.subscribe([topic.as_str()]).await?;
        let error = until_error(&consumer).await?;
        assert!(error.contains("UNSUPPORTED_ASSIGNOR"), "{error}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_member_cannot_join_a_classic_group_that_is_in_use_elsewhere() -> Result<()> {
    on_supporting(async |target| {
        let topic = target.topic("upgrade", 2).await?;
        let group = unique("upgrade");
        // Once its members are gone, the group may be of the other kind, and keeps its offsets.
        for protocol in [
            GroupProtocol::Classic,
            GroupProtocol::Consumer,
            GroupProtocol::Classic,
        ] {
            let members = Members::start(&target, vec![config(&group, protocol)])?;
            members.subscribe(&topic).await?;
            until(
                "the member has all",
                || Ok(members.partitions() == [[0, 1]]),
            )
            .await?;
            let partition = milena_client::TopicPartition::new(topic.as_str(), 0);
            let committed = members
                .first()
                .committed(std::slice::from_ref(&partition))
                .await?;
            let expected = match protocol {
                GroupProtocol::Classic if committed[0].1.is_none() => None,
                _ => Some(7),
            };
            assert_eq!(committed[0].1, expected, "{protocol:?}");
            members.first().commit_offsets(&[(partition, 7)]).await?;
            members.close().await?;
        }
        Ok(())
    })
    .await
}

async fn until_error(consumer: &Consumer) -> Result<String> {
    let deadline = tokio::time::Instant::now() + JOIN_WAIT;
    while tokio::time::Instant::now() < deadline {
        if let Err(error) = consumer.poll(POLL_WAIT).await {
            return Ok(error.to_string());
        }
    }
    bail!("no error within {JOIN_WAIT:?}")
}

#[tokio::test(flavor = "multi_thread")]
async fn pitfall_18_a_pattern_takes_in_topics_that_come_later_with_the_consumer_protocol()
-> Result<()> {
    on_supporting(async |target| {
        crate::groups_membership::check_pattern(&target, GroupProtocol::Consumer).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_static_member_restarts_with_the_consumer_protocol() -> Result<()> {
    on_supporting(async |target| {
        crate::groups_membership::check_static(&target, GroupProtocol::Consumer).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_created_again_is_consumed_again_with_the_consumer_protocol() -> Result<()> {
    on_supporting(async |target| {
        crate::groups_membership::check_recreated(&target, GroupProtocol::Consumer).await
    })
    .await
}
