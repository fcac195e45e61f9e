use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{CronTable, time_zone};

/// Germany's time zone, without the machine's files.
const BERLIN: &str = "CET-1CEST,M3.5.0,M10.5.0/3";

#[track_caller]
fn check(expression: &str, zone: &str, start: &str, expected: &[&str]) {
    let table = CronTable::parse(expression, time_zone(zone).unwrap()).unwrap();
    let mut at: Timestamp = start.parse().unwrap();
    for wanted in expected {
        at = table.next_after(at).unwrap();
        assert_eq!(at, wanted.parse().unwrap(), "{expression} in {zone}");
    }
}

#[test]
fn times_follow_from_expressions() {
    check(
        "0 */5 * * * *",
        "UTC",
        "2026-11-21T19:12:30Z",
        &["2026-11-21T19:15:00Z", "2026-11-21T19:20:00Z"],
    );
    check(
        "30 4 * * MON-FRI",
        "UTC",
        "2026-11-20T04:30:00Z",
        &["2026-11-23T04:30:00Z", "2026-11-24T04:30:00Z"],
    );
    check(
        "@monthly",
        "utc",
        "2026-11-21T00:00:00Z",
        &["2026-12-01T00:00:00Z"],
    );
    check(
        "0 0 29 2 *",
        "UTC",
        "2026-01-01T00:00:00Z",
        &["2028-02-29T00:00:00Z"],
    );
}

/// 2:30 does not exist on the last Sunday of March, and comes twice in October.
#[test]
fn daylight_saving_leaves_no_day_out_and_doubles_none() {
    check(
        "30 2 * * *",
        BERLIN,
        "2026-03-28T00:00:00Z",
        &[
            "2026-03-28T01:30:00Z",
            "2026-03-29T01:00:00Z",
            "2026-03-30T00:30:00Z",
        ],
    );
    check(
        "30 2 * * *",
        BERLIN,
        "2026-10-24T12:00:00Z",
        &["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"],
    );
}

#[test]
fn what_never_comes_is_none() {
    let table = CronTable::parse("0 0 0 1 1 * 2020", TimeZone::UTC).unwrap();
    let now: Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
    assert_eq!(table.next_after(now), None);
}

#[test]
fn what_is_wrong_is_said() {
    for expression in ["", "* * *", "61 * * * *", "a b c d e", "* * * * * * * *"] {
        let problem = CronTable::parse(expression, TimeZone::UTC).unwrap_err();
        assert!(problem.contains("is no cron expression"), "{problem}");
        assert!(problem.contains("five fields"), "{problem}");
    }
    let problem = time_zone("Mars/Olympus").unwrap_err();
    assert!(problem.contains("\"Europe/Berlin\""), "{problem}");
}

#[test]
fn tables_show_themselves() {
    let table = CronTable::parse(" 0 4 * * * ", TimeZone::UTC).unwrap();
    assert_eq!(table.to_string(), "0 4 * * * (UTC)");
}
