use super::*;

fn key(partition: i32) -> PartitionKey {
    PartitionKey {
        topic: TopicKey::Name(StrBytes::from_static_str("t")),
        partition,
    }
}

fn wanted(partition: i32, offset: i64) -> Wanted {
    Wanted {
        key: key(partition),
        offset,
        bytes_max: 100,
        leader_epoch: -1,
        last_fetched_epoch: -1,
    }
}

fn request(id: i32, epoch: i32, wanted: Vec<Wanted>) -> SessionRequest {
    SessionRequest {
        id,
        epoch,
        wanted,
        forgotten: Vec::new(),
    }
}

fn quiet() -> Seen {
    Seen {
        bytes: 0,
        failed: false,
        high_watermark: 5,
        last_stable_offset: 5,
        start_offset: 0,
    }
}

fn read_partitions(begun: &Begun) -> Vec<i32> {
    begun
        .wanted
        .iter()
        .map(|wanted| wanted.key.partition)
        .collect()
}

#[test]
fn only_news_is_reported_and_failures_are_always_news() {
    let sessions = FetchSessions::new(10);
    let now = Instant::now();
    let begun = sessions.begin(request(0, 0, vec![wanted(0, 1), wanted(1, 1)]), now);
    let begun = begun.expect("a session");
    assert!(begun.session_id > 0 && !begun.incremental);
    assert_eq!(sessions.finish(&begun, &[quiet(), quiet()]), [true, true]);

    let rounds = [
        ([quiet(), quiet()], [false, false]),
        (
            [
                quiet(),
                Seen {
                    high_watermark: 6,
                    ..quiet()
                },
            ],
            [false, true],
        ),
        (
            [
                Seen {
                    failed: true,
                    ..quiet()
                },
                Seen {
                    high_watermark: 6,
                    ..quiet()
                },
            ],
            [true, false],
        ),
        (
            [
                quiet(),
                Seen {
                    high_watermark: 6,
                    ..quiet()
                },
            ],
            [true, false],
        ),
        (
            [
                quiet(),
                Seen {
                    high_watermark: 6,
                    bytes: 9,
                    ..quiet()
                },
            ],
            [false, true],
        ),
    ];
    for (epoch, (seen, expected)) in (1..).zip(rounds) {
        let begun = sessions.begin(request(begun.session_id, epoch, Vec::new()), now);
        let begun = begun.expect("the session");
        assert!(begun.incremental);
        assert_eq!(sessions.finish(&begun, &seen), expected, "epoch {epoch}");
    }
}

#[test]
fn pitfall_21_updates_and_forgotten_partitions_change_what_is_read() {
    let sessions = FetchSessions::new(10);
    let now = Instant::now();
    let begun = sessions.begin(request(0, 0, vec![wanted(0, 1), wanted(1, 1)]), now);
    let id = begun.expect("a session").session_id;
    let mut update = request(id, 1, vec![wanted(0, 8), wanted(2, 3)]);
    update.forgotten = vec![key(1)];
    let begun = sessions.begin(update, now).expect("the session");
    assert_eq!(begun.wanted, [wanted(0, 8), wanted(2, 3)]);

    assert_eq!(
        sessions.begin(request(id, 1, vec![]), now),
        Err(ErrorCode::InvalidFetchSessionEpoch)
    );
    let by_id = Wanted {
        key: PartitionKey {
            topic: TopicKey::Id(Uuid::nil()),
            partition: 0,
        },
        ..wanted(0, 0)
    };
    assert_eq!(
        sessions.begin(request(id, 2, vec![by_id]), now),
        Err(ErrorCode::FetchSessionTopicIdError)
    );
    // Closing it reads what the request names, once.
    let closed = sessions
        .begin(request(id, -1, vec![wanted(0, 8)]), now)
        .expect("a last read");
    assert_eq!((closed.session_id, closed.wanted.len()), (0, 1));
    assert_eq!(
        sessions.begin(request(id, 2, vec![]), now),
        Err(ErrorCode::FetchSessionIdNotFound)
    );
}

#[test]
fn the_round_goes_on_behind_the_partition_served_last() {
    let sessions = FetchSessions::new(10);
    let now = Instant::now();
    let all = (0..3).map(|partition| wanted(partition, 0)).collect();
    let begun = sessions.begin(request(0, 0, all), now).expect("a session");
    let busy = Seen {
        bytes: 9,
        ..quiet()
    };
    sessions.finish(&begun, &[busy, quiet(), quiet()]);
    let begun = sessions
        .begin(request(begun.session_id, 1, vec![]), now)
        .expect("the session");
    assert_eq!(read_partitions(&begun), [1, 2, 0]);
}

#[test]
fn sessions_are_bounded_and_only_idle_ones_make_room() {
    let sessions = FetchSessions::new(1);
    let now = Instant::now();
    let open = |at| {
        sessions
            .begin(request(0, 0, vec![wanted(0, 0)]), at)
            .expect("an answer")
    };
    let first = open(now).session_id;
    assert_ne!(first, 0);
    assert_eq!(open(now).session_id, 0);
    let later = now + EVICTABLE_AFTER;
    assert_ne!(open(later).session_id, 0);
    let gone = sessions.begin(request(first, 1, vec![]), later);
    assert_eq!(gone, Err(ErrorCode::FetchSessionIdNotFound));
}
