//! Records of every shape the format has: keys, values and headers that are null, empty, large, not
//! text, or repeated; timestamps that go back and leap.

use super::PARTITIONS;
use super::line::{CREATE_TIME, Line};

/// November 2023: in the past of every broker's clock.
const BASE_TIMESTAMP: i64 = 1_700_000_000_000;
/// More than a 32-bit delta holds (KP #159).
const LEAP_MS: i64 = 5_000_000_000;

/// Every combination of key, value and headers, to be written in this order.
pub(super) fn lines() -> Vec<Line> {
    let mut lines = Vec::new();
    for key in fields() {
        for value in fields() {
            for headers in headers() {
                let number = i64::try_from(lines.len()).unwrap_or(0);
                let timestamp = match number % 5 {
                    0 => BASE_TIMESTAMP - LEAP_MS,
                    1 => BASE_TIMESTAMP,
                    2 => BASE_TIMESTAMP - number,
                    _ => BASE_TIMESTAMP + number,
                };
                lines.push(Line {
                    partition: i32::try_from(number).unwrap_or(0) % PARTITIONS,
                    offset: -1,
                    timestamp_type: CREATE_TIME.to_owned(),
                    timestamp,
                    key: key.clone(),
                    value: value.clone(),
                    headers,
                });
            }
        }
    }
    lines
}

fn fields() -> Vec<Option<Vec<u8>>> {
    let mut random = fastrand::Rng::with_seed(7);
    vec![
        None,
        Some(Vec::new()),
        Some(b"a".to_vec()),
        Some("größer".as_bytes().to_vec()),
        Some(vec![0, 0xff, 0xfe, 0x80, b'\n', b'\t']),
        Some(b"again and again ".repeat(150)),
        Some((0..1_000).map(|_| random.u8(..)).collect()),
    ]
}

fn headers() -> Vec<Vec<(String, Option<Vec<u8>>)>> {
    let header = |key: &str, value: Option<&[u8]>| (key.to_owned(), value.map(<[u8]>::to_vec));
    vec![
        Vec::new(),
        vec![header("one", Some(b"1"))],
        vec![header("null", None), header("empty", Some(b""))],
        vec![
            header("twice", Some(b"second")),
            header("between", Some(&[0xff, 0x00])),
            header("twice", Some(b"first")),
        ],
        vec![header("schlüssel", Some(&[7; 300]))],
    ]
}
