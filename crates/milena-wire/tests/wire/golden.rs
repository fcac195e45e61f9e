//! What librdkafka and the Java client wrote is read as they meant it. How the files were made
//! stands in `tests/golden/README.md`.

use crate::samples::{BATCH_FILES, golden, headers, open, raw_batches, records};
use bytes::Bytes;
use milena_wire::Compression;
use milena_wire::batch::control::{ControlRecord, TransactionEnd, encode_transaction_marker};
use milena_wire::batch::{
    BatchEncoder, BatchError, BatchStamp, Batches, Header, RawBatch, RecordData, TimestampType,
    patch_base_offset, patch_leader_epoch,
};
use milena_wire::compression::decompress;

type TestResult = Result<(), BatchError>;

const T: i64 = 1_700_000_000_000;

/// Timestamp, key, value.
type FieldsOf<'a> = (i64, Option<&'a [u8]>, Option<&'a [u8]>);

fn pattern(bytes: usize) -> Vec<u8> {
    b"milena-".iter().copied().cycle().take(bytes).collect()
}

/// Checks the four records every plain golden file holds.
fn check_four_records(name: &str, base_offset: i64, pattern_bytes: usize) -> TestResult {
    let batches = raw_batches(golden(name))?;
    assert_eq!(batches.len(), 1, "{name}");
    let batch = open(&batches[0])?;
    let header = batch.header;
    assert_eq!(
        (header.base_offset, header.last_offset_delta),
        (base_offset, 3),
        "{name}"
    );
    assert_eq!(
        (header.base_timestamp, header.max_timestamp),
        (T, T + 7),
        "{name}"
    );
    let records = records(&batch)?;
    assert_eq!(records.len(), 4, "{name}");
    for (offset, record) in (base_offset..).zip(&records) {
        assert_eq!(record.offset, offset, "{name}");
    }
    let pattern = pattern(pattern_bytes);
    let expected: [FieldsOf<'_>; 4] = [
        (T, Some(b"key-0"), Some(b"value-0")),
        (T + 5, None, Some(b"")),
        (T + 3, Some(b"key-2"), None),
        (T + 7, None, Some(&pattern)),
    ];
    for (record, expected) in records.iter().zip(expected) {
        assert_eq!(
            (record.timestamp, record.key, record.value),
            expected,
            "{name}"
        );
    }
    let some = |key: &str, value: &str| (key.as_bytes().to_vec(), Some(value.as_bytes().to_vec()));
    let none = |key: &str| (key.as_bytes().to_vec(), None);
    assert_eq!(
        headers(&records[0]),
        [some("h", "1"), none("h"), some("trace", "2")],
        "{name}"
    );
    assert_eq!(headers(&records[2]), [some("ü", "é")], "{name}");
    assert!(
        records[1].headers.is_empty() && records[3].headers.is_empty(),
        "{name}"
    );
    Ok(())
}

#[test]
fn reads_the_java_client_in_every_codec() -> TestResult {
    for codec in Compression::ALL {
        let name = format!("java_{codec}");
        check_four_records(
            &name,
            100,
            if codec == Compression::None {
                100
            } else {
                70_000
            },
        )?;
        let header = raw_batches(golden(&name))?[0].header;
        assert_eq!(header.attributes.compression()?, codec);
        assert_eq!((header.producer_id, header.producer_epoch), (4711, 2));
        assert_eq!((header.base_sequence, header.last_sequence()), (50, 53));
        assert_eq!(header.partition_leader_epoch, 3);
    }
    Ok(())
}

#[test]
fn reads_librdkafka_in_every_codec() -> TestResult {
    for codec in Compression::ALL {
        let name = format!("librdkafka_{codec}");
        check_four_records(
            &name,
            0,
            if codec == Compression::None {
                100
            } else {
                70_000
            },
        )?;
        let header = raw_batches(golden(&name))?[0].header;
        assert_eq!(header.attributes.compression()?, codec);
        assert!(!header.has_producer_id());
    }
    check_four_records("librdkafka_none_idempotent", 0, 100)?;
    let header = raw_batches(golden("librdkafka_none_idempotent"))?[0].header;
    assert!(header.has_producer_id());
    assert_eq!(header.base_sequence, 0);
    Ok(())
}

/// The same records encoded by us are, byte for byte, what the Java client and librdkafka wrote.
#[test]
fn writes_what_the_others_write() -> TestResult {
    let check = |name: &str| {
        let theirs = golden(name);
        let header = raw_batches(theirs.clone())?[0].header;
        let pattern = pattern(100);
        let first: &[Header<'_>] = &[
            Header {
                key: "h",
                value: Some(b"1"),
            },
            Header {
                key: "h",
                value: None,
            },
            Header {
                key: "trace",
                value: Some(b"2"),
            },
        ];
        let third: &[Header<'_>] = &[Header {
            key: "ü",
            value: Some("é".as_bytes()),
        }];
        let mut encoder = BatchEncoder::with_capacity(0);
        for (delta, key, value, headers) in [
            (0, Some("key-0"), Some(b"value-0".as_slice()), first),
            (5, None, Some(b"".as_slice()), &[]),
            (3, Some("key-2"), None, third),
            (7, None, Some(&pattern), &[]),
        ] {
            let key = key.map(str::as_bytes);
            encoder.append(&RecordData {
                timestamp: T + delta,
                key,
                value,
                headers,
            })?;
        }
        let stamp = BatchStamp {
            producer_id: header.producer_id,
            producer_epoch: header.producer_epoch,
            base_sequence: header.base_sequence,
            is_transactional: false,
        };
        let mut ours = encoder.finish(stamp, Compression::None, None)?.to_vec();
        patch_base_offset(&mut ours, header.base_offset)?;
        patch_leader_epoch(&mut ours, header.partition_leader_epoch)?;
        assert_eq!(Bytes::from(ours), theirs, "{name}");
        Ok::<(), BatchError>(())
    };
    check("java_none")?;
    check("librdkafka_none")?;
    check("librdkafka_none_idempotent")
}

#[test]
fn reads_and_writes_transaction_markers() -> TestResult {
    let batches = raw_batches(golden("java_transaction"))?;
    let flags: Vec<_> = batches
        .iter()
        .map(|batch| batch.header.attributes)
        .collect();
    assert!(flags.iter().all(|flags| flags.is_transactional()));
    assert_eq!(flags.iter().filter(|flags| flags.is_control()).count(), 2);
    let check = |batch: &RawBatch, end, expected: ControlRecord, coordinator_epoch| {
        let opened = open(batch)?;
        assert_eq!(ControlRecord::parse(&records(&opened)?[0])?, expected);
        let timestamp = batch.header.base_timestamp;
        let ours = encode_transaction_marker(end, 9, 1, coordinator_epoch, timestamp)?;
        // Behind the checksum; what is in front of it is the broker's.
        assert_eq!(ours[21..], batch.bytes()[21..]);
        Ok::<(), BatchError>(())
    };
    let commit = ControlRecord::Commit {
        coordinator_epoch: 12,
    };
    check(&batches[1], TransactionEnd::Commit, commit, 12)?;
    let abort = ControlRecord::Abort {
        coordinator_epoch: 13,
    };
    check(&batches[2], TransactionEnd::Abort, abort, 13)
}

#[test]
fn pitfall_25_snappy_is_read_with_and_without_framing() -> TestResult {
    let is_framed = |name| Ok::<_, BatchError>(golden(name)[61..].starts_with(b"\x82SNAPPY\0"));
    assert!(is_framed("java_snappy")?);
    assert!(!is_framed("librdkafka_snappy")?);
    check_four_records("java_snappy", 100, 70_000)?;
    check_four_records("librdkafka_snappy", 0, 70_000)
}

#[test]
fn pitfall_25_lz4_frames_of_any_kind_are_read() -> TestResult {
    for name in ["lz4_linked_checksums", "lz4_block_4mb"] {
        let out = decompress(Compression::Lz4, &golden(name), 210_000)?;
        assert_eq!(out, pattern(210_000), "{name}");
        let too_small = decompress(Compression::Lz4, &golden(name), 209_999);
        assert!(too_small.is_err(), "{name}");
    }
    Ok(())
}

#[test]
fn pitfall_25_timestamp_deltas_are_64_bits() -> TestResult {
    let batches = raw_batches(golden("java_timestamps_apart"))?;
    let batch = open(&batches[0])?;
    let timestamps: Vec<_> = records(&batch)?
        .iter()
        .map(|record| record.timestamp)
        .collect();
    assert_eq!(timestamps, [0, T, 1]);
    Ok(())
}

#[test]
fn pitfall_25_log_append_time_overrides_record_timestamps() -> TestResult {
    let batches = raw_batches(golden("java_log_append_time"))?;
    let batch = open(&batches[0])?;
    assert_eq!(
        batch.header.attributes.timestamp_type(),
        TimestampType::LogAppendTime
    );
    let records = records(&batch)?;
    assert_eq!(records.len(), 4);
    assert!(records.iter().all(|record| record.timestamp == T + 1_000));
    Ok(())
}

#[test]
fn pitfall_25_last_offset_delta_survives_compaction() -> TestResult {
    let batches = raw_batches(golden("java_compacted"))?;
    assert_eq!(batches.len(), 2);
    let first = open(&batches[0])?;
    let offsets: Vec<_> = records(&first)?
        .iter()
        .map(|record| record.offset)
        .collect();
    assert_eq!((offsets, first.header.next_offset()), (vec![1], 4));
    Ok(())
}

/// A consumer that goes on behind the batch's records instead of the batch fetches it for ever.
#[test]
fn pitfall_23_an_emptied_batch_still_moves_the_next_offset() -> TestResult {
    let batches = raw_batches(golden("java_compacted"))?;
    let emptied = open(&batches[1])?;
    assert_eq!(records(&emptied)?.len(), 0);
    assert_eq!(
        (emptied.header.base_offset, emptied.header.next_offset()),
        (4, 8)
    );
    Ok(())
}

#[test]
fn pitfall_25_a_partial_trailing_batch_is_legal() -> TestResult {
    let whole = golden("java_none");
    let two = Bytes::from([whole.as_ref(), whole.as_ref()].concat());
    for end in 0..=two.len() {
        let mut batches = Batches::new(two.slice(..end));
        let count = batches.by_ref().collect::<Result<Vec<_>, _>>()?.len();
        assert_eq!(count, end / whole.len(), "{end}");
        assert_eq!(batches.partial_trailing(), end % whole.len() != 0, "{end}");
        assert_eq!(batches.remainder().len(), end % whole.len(), "{end}");
    }
    Ok(())
}

#[test]
fn pitfall_25_duplicate_headers_are_kept_in_order() -> TestResult {
    let batches = raw_batches(golden("librdkafka_none"))?;
    let batch = open(&batches[0])?;
    let records = records(&batch)?;
    assert_eq!(records[0].headers.len(), 3);
    let last = records[0].headers.get_last("h").map(|header| header.value);
    assert_eq!(last, Some(None), "the last one of a key counts");
    assert_eq!(records[0].headers.get_last("missing"), None);
    Ok(())
}

#[test]
fn every_golden_batch_has_a_valid_checksum() -> TestResult {
    for name in BATCH_FILES {
        for batch in raw_batches(golden(name))? {
            batch.verify_crc()?;
            assert_eq!(RawBatch::parse(batch.bytes().clone())?.header, batch.header);
        }
    }
    Ok(())
}
