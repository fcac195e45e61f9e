use super::*;
use crate::message::{Headers, Message};

fn letter(partition: i32, offset: i64, failed_last: &'static str) -> DeadLetter {
    let headers: Headers = [
        ("milena-failure-code", "x"),
        ("milena-failed-last", failed_last),
    ]
    .into_iter()
    .collect();
    let message = Message::new("orders.dlq")
        .with_headers(headers)
        .with_partition(partition)
        .with_offset(offset);
    DeadLetter::read(&message)
}

#[test]
fn letters_go_up_to_the_first_that_stays() {
    let letters = [
        letter(0, 3, "2023-01-01T00:00:00Z"),
        letter(0, 4, "2023-03-01T00:00:00Z"),
        letter(0, 6, "2023-02-01T00:00:00Z"),
        letter(1, 0, "2023-05-01T00:00:00Z"),
    ];
    let february = "2023-02-15T00:00:00Z".parse::<jiff::Timestamp>().unwrap();
    for (before, expected) in [
        (PurgeBefore::End, &[(0, 7, 3, 1), (1, 1, 1, 1)][..]),
        (PurgeBefore::Offset(4), &[(0, 4, 1, 0), (1, 1, 1, 1)][..]),
        (PurgeBefore::Offset(6), &[(0, 5, 2, 0), (1, 1, 1, 1)][..]),
        (PurgeBefore::Offset(0), &[][..]),
        // What is behind a younger letter stays, although it is old.
        (
            PurgeBefore::Time(february.as_millisecond()),
            &[(0, 4, 1, 0)][..],
        ),
        (PurgeBefore::Open, &[(0, 5, 2, 0)][..]),
    ] {
        let mut marks = Marks::default();
        marks.add(&[(0, 3, 4)]);
        let mut plan = Plan {
            before,
            marks,
            partitions: BTreeMap::new(),
        };
        letters.iter().for_each(|letter| plan.add(letter));
        let purged: Vec<(i32, i64, u64, u64)> = plan
            .finish()
            .iter()
            .map(|one| (one.partition, one.before, one.letters, one.open))
            .collect();
        assert_eq!(purged, expected, "{before:?}");
    }
}
