//! Hash values that Kafka's own `UtilsTest` lists for murmur2.

use super::{murmur2, partition_for_key};

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
