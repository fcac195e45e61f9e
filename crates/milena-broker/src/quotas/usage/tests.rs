use super::*;

const WINDOWS: Windows = Windows {
    count: 11,
    length: Duration::from_secs(1),
};

/// Whose quota, which one, and how much it is.
type Row<'a> = (&'a [(&'a str, Option<&'a str>)], &'a str, f64);

fn entries(rows: &[Row<'_>]) -> BTreeMap<Entity, Values> {
    let mut entries = BTreeMap::<Entity, Values>::new();
    for (parts, key, value) in rows {
        let parts = parts.iter();
        let entity = parts.map(|(kind, name)| ((*kind).to_owned(), name.map(str::to_owned)));
        let values = entries.entry(entity.collect()).or_default();
        values.insert((*key).to_owned(), value.to_bits());
    }
    entries
}

#[test]
fn the_most_special_quota_counts() {
    let key = "producer_byte_rate";
    let rows: [Row<'_>; 5] = [
        (&[("client-id", None)], key, 1.0),
        (&[("client-id", Some("web"))], key, 2.0),
        (&[("user", None)], key, 3.0),
        (&[("user", Some("ann"))], key, 4.0),
        (
            &[("user", Some("ann")), ("client-id", Some("web"))],
            key,
            5.0,
        ),
    ];
    let check = |rows: &[Row<'_>], user, client_id, expected| {
        let entries = entries(rows);
        let found = quota_of(&entries, key, user, client_id);
        assert_eq!(
            found.map(|(_, value)| value),
            expected,
            "{user} {client_id}"
        );
    };
    check(&rows, "ann", "web", Some(5.0));
    check(&rows, "ann", "other", Some(4.0));
    check(&rows, "bob", "web", Some(3.0));
    check(&rows[..2], "bob", "web", Some(2.0));
    check(&rows[..2], "bob", "other", Some(1.0));
    check(&rows[1..2], "bob", "other", None);
    // Another quota of a more special entity does not count for this one.
    let other: [Row<'_>; 2] = [
        (&[("user", Some("ann"))], "consumer_byte_rate", 9.0),
        (&[("client-id", None)], key, 1.0),
    ];
    check(&other, "ann", "web", Some(1.0));
}

#[test]
fn clients_share_the_quota_of_their_user() {
    let now = Instant::now();
    let entries = entries(&[(&[("user", Some("ann"))], "consumer_byte_rate", 100.0)]);
    let mut usage = Usage::default();
    let mut record = |user, client_id, used| {
        let at = (WINDOWS, now);
        usage.record(&entries, Limited::Fetched, (user, client_id), used, at)
    };
    assert_eq!(record("ann", "one", 600.0), Duration::ZERO);
    assert_eq!(record("ann", "two", 600.0), Duration::from_secs(2));
    assert_eq!(record("bob", "two", 1e9), Duration::ZERO);
}

#[test]
fn a_pause_for_handling_lasts_one_window_at_most() {
    let now = Instant::now();
    let entries = entries(&[(&[("client-id", None)], "request_percentage", 1.0)]);
    let mut usage = Usage::default();
    let at = (WINDOWS, now);
    let pause = usage.record(&entries, Limited::Handled, ("ann", "web"), 5000.0, at);
    assert_eq!(pause, WINDOWS.length);
}
