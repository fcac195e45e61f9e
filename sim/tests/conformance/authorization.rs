//! What a client may do, request by request: the right that each needs, and the code that it is refused
//! with. The entries are about topics, groups and transactional ids of the tests' own.

use crate::admin_acls::has_authorizer;
use anyhow::{Context, Result};
use milena_client::admin::{
    Acl, AclFilter, AclName, AclOperation, AclResourceType, TransactionFilter,
};
use milena_client::consumer::{Consumer, ConsumerConfig, OffsetReset};
use milena_client::group::GroupProtocol;
use milena_client::producer::{ProducerConfig, Record};
use milena_client::transaction::{ConsumerGroupMetadata, TransactionError, TransactionalProducer};
use milena_client::{Admin, Error, ErrorCode, TopicPartition};
use milena_sim::target::{Target, eventually, on_target, take, unique};
use std::fmt::Display;

const ME: &str = "User:ANONYMOUS";

/// Leaves us these operations on a resource, and no others.
async fn leave(
    admin: &Admin,
    kind: AclResourceType,
    name: &str,
    operations: &[AclOperation],
) -> Result<()> {
    let somebody = Acl::allow("User:somebody-else", AclOperation::All, kind, name);
    let own = operations
        .iter()
        .map(|operation| Acl::allow(ME, *operation, kind, name));
    let acls: Vec<Acl> = own.chain([somebody]).collect();
    for created in admin.create_acls(&acls).await? {
        created?;
    }
    let filter = AclFilter::any().resource(kind, AclName::Literal(name.to_owned()));
    eventually("the entries are there", async || {
        let found = admin.describe_acls(&filter).await?;
        Ok((found.len() == acls.len()).then_some(()))
    })
    .await
}

/// Takes the entries about a resource back.
async fn free(admin: &Admin, kind: AclResourceType, name: &str) -> Result<()> {
    let filter = AclFilter::any().resource(kind, AclName::Literal(name.to_owned()));
    admin.delete_acls(&[filter]).await?.remove(0)?;
    Ok(())
}

#[track_caller]
fn check_code<T, E: Display>(outcome: Result<T, E>, code: ErrorCode) {
    let Err(error) = outcome else {
        panic!("it is allowed where {} was expected", code.name());
    };
    let text = error.to_string();
    assert!(text.contains(code.name()), "{text} has no {}", code.name());
}

/// Sees that something comes to be refused with `code`: brokers hear of entries one after the other.
async fn until_refused<T>(
    code: ErrorCode,
    mut ask: impl AsyncFnMut() -> Result<T, Error>,
) -> Result<()> {
    eventually(code.name(), async || match ask().await {
        Err(error) if error.code() == Some(code) => Ok(Some(())),
        Err(error) => Err(error.into()),
        Ok(_) => Ok(None),
    })
    .await
}

/// Three records, and an offset that a group has committed.
async fn prepare(target: &Target, group: &str) -> Result<String> {
    let topic = target.topic("guarded", 1).await?;
    let producer = target.producer(ProducerConfig::default())?;
    for value in ["one", "two", "three"] {
        producer.send(Record::to(&topic).value(value)).await?;
    }
    producer.close().await?;
    let consumer = member(target, group, GroupProtocol::Classic)?;
    consumer.subscribe([topic.as_str()]).await?;
    take(&consumer, 1).await?;
    consumer.commit().await?;
    consumer.close().await?;
    Ok(topic)
}

fn member(target: &Target, group: &str, protocol: GroupProtocol) -> Result<Consumer> {
    let config = ConsumerConfig::group(group)
        .auto_offset_reset(OffsetReset::Earliest)
        .group_protocol(protocol);
    Ok(Consumer::new(target.client(), config)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_need_rights_on_their_topics() -> Result<()> {
    on_target(async |target| {
        if !has_authorizer(&target).await? {
            return Ok(());
        }
        let (admin, group) = (target.admin(), unique("guarded"));
        let topic = prepare(&target, &group).await?;
        let partition = TopicPartition::new(&*topic, 0);
        let denied = ErrorCode::TopicAuthorizationFailed;
        leave(
            &admin,
            AclResourceType::Topic,
            &topic,
            &[AclOperation::Create],
        )
        .await?;
        let partitions = [partition.clone()];
        // Reading a committed offset needs DESCRIBE of the topic, all of them leaves it out.
        let consumer = Consumer::new(target.client(), ConsumerConfig::group(&*group))?;
        until_refused(denied, async || consumer.committed(&partitions).await).await?;
        let all = admin.committed_offsets(&group).await?;
        assert!(all.is_empty(), "{all:?}");
        // Committing and deleting need READ.
        consumer.assign(partitions.to_vec()).await?;
        let committed = consumer.commit_offsets(&[(partition.clone(), 2)]).await;
        check_code(committed, denied);
        consumer.close().await?;
        let mut deleted = admin.delete_offsets(&group, &partitions).await?;
        check_code(deleted.remove(0).1, denied);
        free(&admin, AclResourceType::Topic, &topic).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_need_rights_to_be_seen_joined_and_deleted() -> Result<()> {
    on_target(async |target| {
        if !has_authorizer(&target).await? {
            return Ok(());
        }
        let (admin, group) = (target.admin(), unique("guarded"));
        let topic = prepare(&target, &group).await?;
        let denied = ErrorCode::GroupAuthorizationFailed;
        leave(&admin, AclResourceType::Group, &group, &[]).await?;
        until_refused(denied, async || {
            admin.describe_groups(&[&group]).await?.remove(0).1
        })
        .await?;
        check_code(admin.committed_offsets(&group).await, denied);
        check_code(admin.delete_groups(&[&group]).await.remove(0).1, denied);
        let consumer = member(&target, &group, GroupProtocol::Classic)?;
        consumer.subscribe([topic.as_str()]).await?;
        let polled = eventually("joining is refused", async || {
            let polled = consumer.poll(std::time::Duration::from_secs(1)).await;
            Ok(polled.err())
        });
        check_code::<(), _>(Err(polled.await?), denied);
        let _ = consumer.close().await;
        // DESCRIBE is enough to see it, and not enough to delete it.
        free(&admin, AclResourceType::Group, &group).await?;
        leave(
            &admin,
            AclResourceType::Group,
            &group,
            &[AclOperation::Describe],
        )
        .await?;
        eventually("it is seen", async || {
            Ok(admin.describe_groups(&[&group]).await?.remove(0).1.ok())
        })
        .await?;
        check_code(admin.delete_groups(&[&group]).await.remove(0).1, denied);
        free(&admin, AclResourceType::Group, &group).await?;
        let deleted = eventually("it is deleted", async || {
            Ok(admin.delete_groups(&[&group]).await.remove(0).1.ok())
        });
        deleted.await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn transactional_ids_need_rights() -> Result<()> {
    on_target(async |target| {
        if !has_authorizer(&target).await? {
            return Ok(());
        }
        let admin = target.admin();
        let (topic, id) = (target.topic("guarded", 1).await?, unique("guarded"));
        let config = || ProducerConfig::default().transactional_id(&*id);
        let mut before = TransactionalProducer::connect(target.client(), config()).await?;
        let open = before.begin().await?;
        open.send(Record::to(&topic).value("first")).await?;
        let kind = AclResourceType::TransactionalId;
        leave(&admin, kind, &id, &[]).await?;
        let denied = ErrorCode::TransactionalIdAuthorizationFailed;
        until_refused(denied, async || {
            admin.describe_transactions(&[&id]).await.remove(0).1
        })
        .await?;
        let listed = admin
            .list_transactions(&TransactionFilter::default())
            .await?;
        assert!(listed.iter().all(|listed| listed.transactional_id != id));
        check_code(open.commit().await, denied);
        let connected = TransactionalProducer::connect(target.client(), config()).await;
        check_code(connected, denied);
        free(&admin, kind, &id).await?;
        // To see what goes on is not to write.
        leave(&admin, kind, &id, &[AclOperation::Describe]).await?;
        eventually("it is seen", async || {
            Ok(admin.describe_transactions(&[&id]).await.remove(0).1.ok())
        })
        .await?;
        let connected = TransactionalProducer::connect(target.client(), config()).await;
        check_code(connected, denied);
        free(&admin, kind, &id).await?;
        let connected = eventually("it is free again", async || {
            let connected = TransactionalProducer::connect(target.client(), config()).await;
            Ok(connected.ok())
        });
        connected.await?.close().await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_of_a_transaction_need_rights_on_their_group_and_topic() -> Result<()> {
    on_target(async |target| {
        if !has_authorizer(&target).await? {
            return Ok(());
        }
        let admin = target.admin();
        let (topic, group) = (target.topic("guarded", 1).await?, unique("guarded"));
        let id = unique("guarded");
        let config = ProducerConfig::default().transactional_id(&*id);
        let mut producer = TransactionalProducer::connect(target.client(), config).await?;
        let who = ConsumerGroupMetadata::without_member(&*group);
        let offsets = [(TopicPartition::new(&*topic, 0), 1)];
        for (kind, name, left, code) in [
            (
                AclResourceType::Group,
                &group,
                AclOperation::Describe,
                ErrorCode::GroupAuthorizationFailed,
            ),
            (
                AclResourceType::Topic,
                &topic,
                AclOperation::Write,
                ErrorCode::TopicAuthorizationFailed,
            ),
        ] {
            leave(&admin, kind, name, &[left]).await?;
            let refused = eventually(code.name(), async || {
                let transaction = producer.begin().await?;
                let sent = transaction.send_offsets(&who, &offsets).await;
                let _ = transaction.abort().await;
                Ok(sent.err())
            });
            let refused: TransactionError = refused.await?;
            check_code::<(), _>(Err(refused), code);
            free(&admin, kind, name).await?;
        }
        eventually("it is allowed again", async || {
            let transaction = producer.begin().await?;
            let sent = transaction.send_offsets(&who, &offsets).await;
            let committed = transaction.commit().await;
            Ok(sent.and(committed).ok())
        })
        .await?;
        producer.close().await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn producers_of_a_partition_are_told_to_its_readers() -> Result<()> {
    on_target(async |target| {
        if !has_authorizer(&target).await? {
            return Ok(());
        }
        let admin = target.admin();
        let topic = target.topic("guarded", 1).await?;
        leave(
            &admin,
            AclResourceType::Topic,
            &topic,
            &[AclOperation::Describe],
        )
        .await?;
        let partitions = [TopicPartition::new(&*topic, 0)];
        until_refused(ErrorCode::TopicAuthorizationFailed, async || {
            admin.describe_producers(&partitions).await.remove(0).1
        })
        .await?;
        // What may be described has a place in the list, and what may not be has none.
        let names = async || -> Result<Vec<String>> {
            let listed = admin.list_topics().await?.into_iter();
            Ok(listed.map(|topic| topic.name).collect())
        };
        assert!(names().await?.contains(&topic));
        free(&admin, AclResourceType::Topic, &topic).await?;
        leave(&admin, AclResourceType::Topic, &topic, &[]).await?;
        eventually("it is out of sight", async || {
            Ok((!names().await?.contains(&topic)).then_some(()))
        })
        .await?;
        free(&admin, AclResourceType::Topic, &topic).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_groups_has_those_that_may_be_seen() -> Result<()> {
    on_target(async |target| {
        if !has_authorizer(&target).await? {
            return Ok(());
        }
        let (admin, group) = (target.admin(), unique("guarded"));
        prepare(&target, &group).await?;
        let is_listed = async || -> Result<bool> {
            let listed = admin.list_groups().await?;
            Ok(listed.iter().any(|listed| listed.group_id == group))
        };
        assert!(is_listed().await?);
        // Who may describe the cluster sees all groups, and nothing is said about the cluster.
        leave(&admin, AclResourceType::Group, &group, &[]).await?;
        assert!(is_listed().await.context("a list")?);
        free(&admin, AclResourceType::Group, &group).await
    })
    .await
}
