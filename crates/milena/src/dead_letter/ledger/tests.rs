use super::*;

fn entry(topic_id: &str, event: AuditEvent) -> Vec<u8> {
    let entry = AuditEntry {
        id: "r-1".to_owned(),
        at: "2023-11-14T22:13:20.000Z".to_owned(),
        by: "ada".to_owned(),
        topic: "orders.dlq".to_owned(),
        topic_id: topic_id.to_owned(),
        event,
    };
    serde_json::to_vec(&entry).unwrap()
}

fn redriven(letters: &[(i32, i64, i64)]) -> AuditEvent {
    AuditEvent::Redriven {
        letters: letters.to_vec(),
        destinations: BTreeMap::from([("orders".to_owned(), 1)]),
    }
}

/// The form is what other tools read, and what later versions must go on reading.
#[test]
fn the_form_of_an_entry() {
    assert_eq!(
        String::from_utf8(entry("t-1", redriven(&[(0, 3, 5), (0, 7, 7), (2, 0, 0)]))).unwrap(),
        r#"{"id":"r-1","at":"2023-11-14T22:13:20.000Z","by":"ada","topic":"orders.dlq","topic_id":"t-1","event":"redriven","letters":[[0,3,5],[0,7,7],[2,0,0]],"destinations":{"orders":1}}"#
    );
    let filter = Filter {
        code: Some("json".to_owned()),
        offsets: Some(3..=9),
        ..Filter::default()
    };
    assert_eq!(
        serde_json::to_string(&AuditEvent::started(&filter, Some("elsewhere"))).unwrap(),
        r#"{"event":"redrive-started","filter":{"code":"json","offsets":{"end":9,"start":3}},"to":"elsewhere"}"#
    );
}

#[test]
fn marks_are_those_of_this_topic() {
    let mut marks = Marks::default();
    marks.learn(&entry("t-1", redriven(&[(0, 3, 5), (2, 0, 0)])), "t-1");
    marks.learn(&entry("t-1", redriven(&[(0, 6, 7)])), "t-1");
    marks.learn(&entry("t-0", redriven(&[(1, 0, 9)])), "t-1");
    marks.learn(b"no JSON", "t-1");
    marks.learn(
        br#"{"id":"","at":"","by":"","topic":"","topic_id":"t-1","event":"of-tomorrow","x":1}"#,
        "t-1",
    );
    for (partition, offset, expected) in [
        (0, 2, false),
        (0, 3, true),
        (0, 7, true),
        (0, 8, false),
        (1, 0, false),
        (2, 0, true),
    ] {
        assert_eq!(
            marks.is_marked(partition, offset),
            expected,
            "{partition}:{offset}"
        );
    }
    assert_eq!(marks.offsets(), [(0, 3, 7), (2, 0, 0)]);
}

#[test]
fn every_event_comes_back() {
    for event in [
        redriven(&[(0, 3, 5)]),
        AuditEvent::Refused {
            partition: 1,
            offset: 2,
            error: "too large".to_owned(),
        },
        AuditEvent::RedriveEnded {
            redriven: 1,
            refused: 2,
            skipped: BTreeMap::from([("no-payload".to_owned(), 3)]),
            interrupted: true,
        },
        AuditEvent::Purge {
            before: vec![(0, 9)],
        },
    ] {
        let read: AuditEntry = serde_json::from_slice(&entry("t", event.clone())).unwrap();
        assert_eq!(read.event, event);
    }
}
