//! Commits: what is stored, and what rebalances do to it.

use std::time::Duration;

use milena_broker::{ApiKey, ErrorCode, Fault};
use milena_client::consumer::{Consumer, ConsumerConfig};
use milena_client::group::Assignor;
use milena_client::{Client, Error, TopicPartition};

use crate::consumer_support::{
    GROUP_PROPERTIES, client, consume, eventually, eventually_share, expect_nothing, group, member,
    produce,
};
use crate::support::start_broker_with;

fn t(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}

async fn committed(client: &Client, partition: i32) -> Option<i64> {
    let consumer = Consumer::new(client, ConsumerConfig::group("g")).unwrap();
    consumer.committed(&[t(partition)]).await.unwrap()[0].1
}

#[tokio::test]
async fn a_restart_goes_on_after_the_commit() {
    let broker = start_broker_with(GROUP_PROPERTIES).await;
    let client = client(&broker);
    produce(&client, "t", 0, 0, 10).await;
    let first = member(&client, group("g")).await;
    assert_eq!(consume(&first, 4).await, [0, 1, 2, 3]);
    first.commit().await.unwrap();
    assert_eq!(committed(&client, 0).await, Some(4));
    assert_eq!(consume(&first, 2).await, [4, 5]);
    first.close().await.unwrap();
    let second = member(&client, group("g")).await;
    assert_eq!(consume(&second, 6).await, [4, 5, 6, 7, 8, 9]);
    second.commit_offsets(&[(t(0), 7)]).await.unwrap();
    assert_eq!(committed(&client, 0).await, Some(7));
    second.close().await.unwrap();
}

#[tokio::test]
async fn partitions_assigned_by_hand_can_be_committed() {
    let broker = start_broker_with(GROUP_PROPERTIES).await;
    let client = client(&broker);
    produce(&client, "t", 0, 0, 10).await;
    for (from, to) in [(0, 3), (3, 6)] {
        let consumer = Consumer::new(&client, group("g").enable_auto_commit(true)).unwrap();
        consumer.assign(vec![t(0)]).await.unwrap();
        assert_eq!(
            consume(&consumer, 3).await,
            (from..to).collect::<Vec<u32>>()
        );
        consumer.close().await.unwrap();
        assert_eq!(committed(&client, 0).await, Some(i64::from(to)));
    }
}

#[tokio::test]
async fn pitfall_12_an_unknown_leader_epoch_does_not_stop_commits() {
    let broker = start_broker_with(GROUP_PROPERTIES).await;
    let client = client(&broker);
    produce(&client, "t", 0, 0, 10).await;
    let consumer = Consumer::new(&client, group("g")).unwrap();
    consumer.assign(vec![t(0), t(1)]).await.unwrap();
    // Nothing was read of 1, and nothing of 0 yet: no epoch is known.
    consumer
        .commit_offsets(&[(t(0), 4), (t(1), 0)])
        .await
        .unwrap();
    assert_eq!(committed(&client, 0).await, Some(4));
    assert_eq!(committed(&client, 1).await, Some(0));
}

#[tokio::test]
async fn automatic_commits_store_what_earlier_polls_handed_out() {
    let broker = start_broker_with(GROUP_PROPERTIES).await;
    let client = client(&broker);
    produce(&client, "t", 0, 0, 10).await;
    let often = group("g")
        .enable_auto_commit(true)
        .auto_commit_interval(Duration::from_millis(20));
    let consumer = member(&client, often).await;
    assert_eq!(consume(&consumer, 4).await, [0, 1, 2, 3]);
    // 3 is in hand: it may not be processed yet. A commit from before the poll may
    // still be under way.
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while committed(&client, 0).await != Some(3) {
        assert!(tokio::time::Instant::now() < deadline, "it commits 3");
    }
    consumer.close().await.unwrap();
    assert_eq!(
        committed(&client, 0).await,
        Some(4),
        "closing tells that it is"
    );
}

/// Records that come together are processed together: those of one call not before the next.
#[tokio::test]
async fn automatic_commits_leave_out_what_came_with_the_last_call() {
    let broker = start_broker_with(GROUP_PROPERTIES).await;
    let client = client(&broker);
    // Batches that calls end within.
    produce(&client, "t", 0, 0, 6).await;
    produce(&client, "t", 0, 6, 12).await;
    let often = group("g")
        .enable_auto_commit(true)
        .auto_commit_interval(Duration::from_millis(20));
    let consumer = member(&client, often).await;
    for (next, processed) in [(0, None), (4, Some(4)), (8, Some(8))] {
        let records = consumer.consume_up_to(4, Duration::from_secs(10)).await;
        let offsets: Vec<i64> = records.unwrap().iter().map(|one| one.offset()).collect();
        assert_eq!(offsets, (next..next + 4).collect::<Vec<i64>>());
        let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
        while processed.is_some() && committed(&client, 0).await != processed {
            assert!(tokio::time::Instant::now() < deadline, "{processed:?}");
        }
    }
    consumer.rewind();
    let again = consumer.consume_up_to(2, Duration::from_secs(10)).await;
    let offsets: Vec<i64> = again.unwrap().iter().map(|one| one.offset()).collect();
    assert_eq!(offsets, [8, 9]);
    consumer.close().await.unwrap();
    assert_eq!(committed(&client, 0).await, Some(10), "closing tells so");
}

#[tokio::test]
async fn automatic_commits_come_before_partitions_go() {
    let broker = start_broker_with(GROUP_PROPERTIES).await;
    let client = client(&broker);
    for partition in 0..6 {
        produce(&client, "t", partition, 0, 10).await;
    }
    for assignor in [Assignor::Range, Assignor::CooperativeSticky] {
        let config = || {
            group(assignor.name())
                .assignors([assignor])
                .enable_auto_commit(true)
        };
        let first = member(&client, config()).await;
        consume(&first, 60).await;
        expect_nothing(&first).await;
        let second = member(&client, config()).await;
        let share = |one: &Consumer, other: &Consumer| {
            one.assignment().len() == 3 && other.assignment().len() == 3
        };
        // The application goes on polling through the rebalance.
        while !share(&first, &second) {
            expect_nothing(&first).await;
            expect_nothing(&second).await;
        }
        expect_nothing(&second).await;
    }
}

#[tokio::test]
async fn a_commit_refused_while_assignments_are_on_their_way_goes_through_after() {
    let broker = start_broker_with(GROUP_PROPERTIES).await;
    let client = client(&broker);
    produce(&client, "t", 0, 0, 10).await;
    let consumer = member(&client, group("g")).await;
    consume(&consumer, 4).await;
    // The coordinator says this of a generation whose leader has not assigned yet. When it has, the
    // generation is the same.
    let code = ErrorCode::RebalanceInProgress;
    broker
        .faults()
        .times(ApiKey::OffsetCommit, 3, Fault::Fail(code));
    let commit = tokio::time::timeout(Duration::from_secs(10), consumer.commit());
    commit.await.expect("it waits for nothing").unwrap();
    assert_eq!(committed(&client, 0).await, Some(4));
    consumer.close().await.unwrap();
}

#[tokio::test]
async fn pitfall_13_pitfall_14_commits_in_a_rebalance_arrive_for_what_is_kept() {
    let broker = start_broker_with(GROUP_PROPERTIES).await;
    let client = client(&broker);
    for partition in 0..6 {
        produce(&client, "t", partition, 0, 10).await;
    }
    for assignor in [Assignor::CooperativeSticky, Assignor::Range] {
        let config = || group(assignor.name()).assignors([assignor]);
        let first = member(&client, config()).await;
        eventually_share(&[(&first, 6)]).await;
        // Each rebalance stands for a while between join and sync.
        let delay = Fault::Delay(Duration::from_millis(150));
        broker.faults().times(ApiKey::JoinGroup, 12, delay);
        let second = member(&client, config()).await;
        let mut offset = 0;
        while second.assignment().len() < 3 || offset < 5 {
            offset += 1;
            tokio::task::yield_now().await;
            for partition in first.assignment() {
                match first.commit_offsets(&[(partition.clone(), offset)]).await {
                    Ok(()) => {}
                    Err(error @ Error::PartitionsLost { .. }) => {
                        let is_gone = !first.assignment().contains(&partition);
                        assert!(is_gone, "{assignor}: {partition} is still here: {error}");
                    }
                    Err(error) => panic!("{assignor}: {error}"),
                }
            }
        }
        broker.faults().clear();
        eventually_share(&[(&first, 3), (&second, 3)]).await;
        for partition in first.assignment() {
            first
                .commit_offsets(&[(partition.clone(), 9)])
                .await
                .unwrap();
        }
        let stored = first.committed(&first.assignment()).await.unwrap();
        assert!(
            stored.iter().all(|(_, offset)| *offset == Some(9)),
            "{stored:?}"
        );
        let foreign = second.assignment()[0].clone();
        let error = first.commit_offsets(&[(foreign, 3)]).await.unwrap_err();
        assert!(matches!(error, Error::PartitionsLost { .. }), "{error}");
    }
}

#[tokio::test]
async fn pitfall_15_positions_do_not_survive_a_revocation() {
    let broker = start_broker_with(GROUP_PROPERTIES).await;
    let client = client(&broker);
    for partition in 0..6 {
        produce(&client, "t", partition, 0, 10).await;
    }
    let first = member(&client, group("g")).await;
    consume(&first, 60).await;
    // Read to 10, committed at 2.
    let all: Vec<_> = (0..6).map(|partition| (t(partition), 2)).collect();
    first.commit_offsets(&all).await.unwrap();
    let second = member(&client, group("g")).await;
    eventually_share(&[(&first, 3), (&second, 3)]).await;
    let moved = second.assignment();
    consume(&second, 3 * 8).await;
    let further: Vec<_> = moved
        .iter()
        .map(|partition| (partition.clone(), 7))
        .collect();
    second.commit_offsets(&further).await.unwrap();
    second.close().await.unwrap();
    eventually_share(&[(&first, 6)]).await;
    eventually("positions are found", || {
        moved
            .iter()
            .all(|partition| first.position(partition).is_some())
    })
    .await;
    // Neither the old 10 nor anything older than 7.
    assert_eq!(consume(&first, 9).await.into_iter().min(), Some(7));
    first.commit().await.unwrap();
    for partition in &moved {
        assert_eq!(committed(&client, partition.partition).await, Some(10));
    }
}

/// A commit that has to be repeated for so long that partitions have moved meanwhile: their new owner
/// may be further by then.
#[tokio::test]
async fn pitfall_15_a_repeated_commit_leaves_out_what_went_to_another_member() {
    let broker = start_broker_with(GROUP_PROPERTIES).await;
    let client = client(&broker);
    for partition in 0..6 {
        produce(&client, "t", partition, 0, 10).await;
    }
    let first = member(&client, group("g")).await;
    eventually_share(&[(&first, 6)]).await;
    let all: Vec<_> = (0..6).map(|partition| (t(partition), 2)).collect();
    let loading = Fault::Fail(ErrorCode::CoordinatorLoadInProgress);
    broker.faults().always(ApiKey::OffsetCommit, loading);
    let (committed_all, second) = tokio::join!(first.commit_offsets(&all), async {
        let second = member(&client, group("g")).await;
        eventually_share(&[(&first, 3), (&second, 3)]).await;
        broker.faults().clear();
        second
    });
    let error = committed_all.expect_err("three are somebody else's");
    assert!(matches!(error, Error::PartitionsLost { .. }), "{error}");
    for (owner, expected) in [(&first, Some(2)), (&second, None)] {
        for partition in owner.assignment() {
            let stored = committed(&client, partition.partition).await;
            assert_eq!(stored, expected, "{partition}");
        }
    }
}

#[tokio::test]
async fn pitfall_16_offsets_are_found_before_anything_is_fetched() {
    let broker = start_broker_with(GROUP_PROPERTIES).await;
    let client = client(&broker);
    produce(&client, "t", 0, 0, 10).await;
    let first = member(&client, group("g")).await;
    consume(&first, 6).await;
    first.commit().await.unwrap();
    first.close().await.unwrap();
    let faults = broker.faults();
    faults.next(ApiKey::OffsetFetch, Fault::Disconnect);
    faults.nth(
        ApiKey::OffsetFetch,
        2,
        Fault::Fail(ErrorCode::UnstableOffsetCommit),
    );
    faults.nth(
        ApiKey::OffsetFetch,
        3,
        Fault::Fail(ErrorCode::NotCoordinator),
    );
    let second = member(&client, group("g")).await;
    assert_eq!(consume(&second, 4).await, [6, 7, 8, 9]);
}

#[tokio::test]
async fn commits_are_retried_and_refusals_told() {
    let broker = start_broker_with(GROUP_PROPERTIES).await;
    let client = client(&broker);
    produce(&client, "t", 0, 0, 10).await;
    let consumer = member(&client, group("g")).await;
    consume(&consumer, 3).await;
    let faults = broker.faults();
    for fault in [
        Fault::Fail(ErrorCode::CoordinatorLoadInProgress),
        Fault::Fail(ErrorCode::NotCoordinator),
        Fault::Disconnect,
        Fault::DisconnectAfter,
    ] {
        faults.next(ApiKey::OffsetCommit, fault);
        consumer.commit_offsets(&[(t(0), 3)]).await.unwrap();
        assert_eq!(committed(&client, 0).await, Some(3), "{fault:?}");
    }
    let code = ErrorCode::GroupAuthorizationFailed;
    faults.next(ApiKey::OffsetCommit, Fault::Fail(code));
    let error = consumer.commit().await.unwrap_err();
    assert_eq!(error.code(), Some(code), "{error}");
    assert_eq!(consume(&consumer, 2).await, [3, 4]);
    consumer.commit().await.unwrap();
    assert_eq!(committed(&client, 0).await, Some(5));
}
