//! What holds for all records, codecs and kinds of timestamps.

use crate::samples::{OwnedHeader, headers, open, raw_batches, records};
use bytes::Bytes;
use milena_wire::Compression;
use milena_wire::batch::{
    BatchEncoder, BatchError, BatchStamp, Header, RecordData, patch_base_offset,
    patch_leader_epoch, patch_log_append_time, patch_producer,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

#[derive(Clone, Debug)]
struct OwnedRecord {
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
}

fn any_record() -> impl Strategy<Value = OwnedRecord> {
    let timestamp = prop_oneof![any::<i64>(), 1_700_000_000_000_i64..1_700_000_100_000];
    let bytes = |max| option::of(vec(any::<u8>(), 0..max));
    let headers = vec((".{0,12}", bytes(20)), 0..4);
    (timestamp, bytes(40), bytes(300), headers).prop_map(|(timestamp, key, value, headers)| {
        OwnedRecord {
            timestamp,
            key,
            value,
            headers,
        }
    })
}

fn any_codec() -> impl Strategy<Value = Compression> {
    proptest::sample::select(Compression::ALL.to_vec())
}

fn any_stamp() -> impl Strategy<Value = BatchStamp> {
    (any::<i64>(), any::<i16>(), any::<i32>(), any::<bool>()).prop_map(
        |(producer_id, producer_epoch, base_sequence, is_transactional)| BatchStamp {
            producer_id,
            producer_epoch,
            base_sequence,
            is_transactional,
        },
    )
}

fn encode(all: &[OwnedRecord], stamp: BatchStamp, codec: Compression) -> Result<Bytes, BatchError> {
    let mut encoder = BatchEncoder::with_capacity(64);
    for record in all {
        let headers = record.headers.iter();
        let headers: Vec<_> = headers
            .map(|(key, value)| Header {
                key,
                value: value.as_deref(),
            })
            .collect();
        let record = RecordData {
            timestamp: record.timestamp,
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            headers: &headers,
        };
        let (before, bound) = (encoder.encoded_bytes(), encoder.record_bytes(&record));
        encoder.append(&record)?;
        let added = encoder.encoded_bytes() - before;
        assert!(
            added <= bound && added + 4 >= bound,
            "{added} of at most {bound} bytes"
        );
    }
    encoder.finish(stamp, codec, None)
}

fn owned(headers: &[(String, Option<Vec<u8>>)]) -> Vec<OwnedHeader> {
    headers
        .iter()
        .map(|(key, value)| (key.as_bytes().to_vec(), value.clone()))
        .collect()
}

fn check(bytes: Bytes, all: &[OwnedRecord], base_offset: i64, append_time: Option<i64>) {
    let batches = raw_batches(bytes).expect("our own batch is valid");
    let batch = open(&batches[0]).expect("our own batch opens");
    let views = records(&batch).expect("our own records are valid");
    assert_eq!(views.len(), all.len());
    assert_eq!(batch.header.next_offset(), base_offset + all.len() as i64);
    for ((offset, view), record) in (base_offset..).zip(&views).zip(all) {
        assert_eq!(view.offset, offset);
        assert_eq!(view.timestamp, append_time.unwrap_or(record.timestamp));
        assert_eq!(view.key, record.key.as_deref());
        assert_eq!(view.value, record.value.as_deref());
        assert_eq!(view.key_bytes(&batch).as_deref(), record.key.as_deref());
        assert_eq!(headers(view), owned(&record.headers));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn records_come_back(
        all in vec(any_record(), 1..40), stamp in any_stamp(), codec in any_codec()
    ) {
        let bytes = encode(&all, stamp, codec).expect("the batch is small");
        let header = raw_batches(bytes.clone()).expect("our own batch is valid")[0].header;
        prop_assert_eq!(header.producer_id, stamp.producer_id);
        prop_assert_eq!(header.producer_epoch, stamp.producer_epoch);
        prop_assert_eq!(header.base_sequence, stamp.base_sequence);
        prop_assert_eq!(header.attributes.is_transactional(), stamp.is_transactional);
        let timestamps = all.iter().map(|record| record.timestamp);
        prop_assert_eq!(Some(header.max_timestamp), timestamps.max());
        check(bytes, &all, 0, None);
    }

    #[test]
    fn a_broker_may_patch(
        all in vec(any_record(), 1..10),
        codec in any_codec(),
        base_offset in 0..i64::MAX - 100,
        epoch: i32,
        append_time: i64,
    ) {
        let mut bytes = encode(&all, BatchStamp::NONE, codec).expect("the batch is small").to_vec();
        patch_base_offset(&mut bytes, base_offset).expect("the header is there");
        patch_leader_epoch(&mut bytes, epoch).expect("the header is there");
        check(Bytes::from(bytes.clone()), &all, base_offset, None);
        patch_log_append_time(&mut bytes, append_time).expect("the batch is whole");
        patch_producer(&mut bytes, 1, 2, 3).expect("the batch is whole");
        check(Bytes::from(bytes), &all, base_offset, Some(append_time));
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(bytes in vec(any::<u8>(), 0..300)) {
        crate::decode_everything::decode_everything(&bytes);
    }
}
