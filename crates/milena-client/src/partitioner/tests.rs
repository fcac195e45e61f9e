//! Hash values that Kafka's own `UtilsTest` lists for murmur2.

use super::{KeyHash, Keyless, Partitioning, murmur2, partition_for_key};

#[test]
fn murmur2_matches_the_java_client() {
    let cases: [(&[u8], i32); 7] = [
        (b"21", -973_932_308),
        (b"foobar", -790_332_482),
        (b"a-little-bit-long-string", -985_981_536),
        (b"a-little-bit-longer-string", -1_486_304_829),
        (
            b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8",
            -58_897_971,
        ),
        (b"abc", 479_470_107),
        (b"", 275_646_681),
    ];
    for (key, expected) in cases {
        assert_eq!(
            murmur2(key) as i32,
            expected,
            "{:?}",
            String::from_utf8_lossy(key)
        );
    }
}

#[test]
fn partitions_ignore_the_sign_bit() {
    assert_eq!(
        partition_for_key(b"21", 12),
        ((-973_932_308_i32) & 0x7fff_ffff) % 12
    );
    for count in 1..50 {
        let partition = partition_for_key(b"some key", count);
        assert!((0..count).contains(&partition));
    }
}

#[test]
fn the_hashes_of_librdkafka_are_unsigned_and_absolute() {
    // The check values of CRC-32 and of FNV-1a, whose second has the sign bit set.
    assert_eq!(
        KeyHash::Crc32.partition(b"123456789", i32::MAX),
        (0xcbf4_3926_u32 % 0x7fff_ffff) as i32
    );
    assert_eq!(
        KeyHash::Fnv1a.partition(b"a", i32::MAX),
        (0xe40c_292c_u32 as i32).unsigned_abs() as i32
    );
    for hash in [KeyHash::Murmur2, KeyHash::Crc32, KeyHash::Fnv1a] {
        assert_eq!(hash.partition(b"key", 0), 0, "no partition, no panic");
        for count in 1..50 {
            assert!((0..count).contains(&hash.partition(b"some key", count)));
        }
    }
}

#[test]
fn only_what_the_key_decides_is_fixed() {
    let by = |hash, keyless| Partitioning::Hash { hash, keyless };
    let (sticky, hashed) = (Keyless::Sticky, Keyless::Hashed);
    let cases: [(Partitioning, Option<&[u8]>, bool); 8] = [
        (by(KeyHash::Murmur2, sticky), Some(b"key"), true),
        (by(KeyHash::Murmur2, sticky), Some(b""), true),
        (by(KeyHash::Murmur2, sticky), None, false),
        (by(KeyHash::Murmur2, hashed), None, true),
        (by(KeyHash::Crc32, sticky), Some(b""), false),
        (by(KeyHash::Crc32, hashed), Some(b""), true),
        (Partitioning::Sticky, Some(b"key"), false),
        (Partitioning::RoundRobin, Some(b"key"), false),
    ];
    for (partitioning, key, is_fixed) in cases {
        let partition = partitioning.fixed("topic", key, 12);
        assert_eq!(partition.is_some(), is_fixed, "{partitioning:?} {key:?}");
    }
}
