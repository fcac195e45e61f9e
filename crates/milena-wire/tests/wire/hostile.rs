//! Bytes that lie: cut off, flipped, mutated, crafted. Nothing panics, nothing is believed.

use crate::decode_everything::decode_everything;
use crate::samples::{BATCH_FILES, golden, open, raw_batches, records};
use bytes::{Bytes, BytesMut};
use milena_wire::Compression;
use milena_wire::batch::{
    Attributes, BATCH_HEADER_BYTES, BatchEncoder, BatchError, BatchHeader, BatchStamp, Batches,
    RawBatch, RecordData, compute_crc,
};
use milena_wire::compression::{CompressionError, compress, decompress};
use milena_wire::rpc::messages::{
    FetchResponse, MetadataRequest, ProduceRequest, TopicName, fetch_response, metadata_request,
    produce_request,
};
use milena_wire::rpc::{ApiKey, RpcError, StrBytes, encode_request, encode_response};

/// Files small enough to try every place in them.
fn small_files() -> impl Iterator<Item = Bytes> {
    BATCH_FILES
        .into_iter()
        .map(golden)
        .filter(|bytes| bytes.len() < 1_000)
}

/// One batch with these records' bytes, whatever they are.
fn craft(records: &[u8], records_count: i32, compression: Compression) -> RawBatch {
    let batch = try_craft(records, records_count, compression);
    batch.expect("the header can be true")
}

fn try_craft(
    records: &[u8],
    records_count: i32,
    compression: Compression,
) -> Result<RawBatch, BatchError> {
    let mut bytes = [&[0; BATCH_HEADER_BYTES], records].concat();
    let mut header = BatchHeader {
        base_offset: 0,
        batch_length: (bytes.len() - 12) as i32,
        partition_leader_epoch: 0,
        magic: 2,
        crc: 0,
        attributes: Attributes::default().with_compression(compression),
        last_offset_delta: i32::MAX - 1,
        base_timestamp: 0,
        max_timestamp: 0,
        producer_id: -1,
        producer_epoch: -1,
        base_sequence: -1,
        records_count,
    };
    for _ in 0..2 {
        let room = bytes
            .first_chunk_mut()
            .expect("there is room for the header");
        header.write(room);
        header.crc = compute_crc(&bytes);
    }
    RawBatch::parse(Bytes::from(bytes))
}

#[test]
fn truncation_at_every_byte_is_noticed() {
    for bytes in small_files() {
        for end in 0..bytes.len() {
            let cut = bytes.slice(..end);
            decode_everything(&cut);
            if end > 0 && RawBatch::parse(bytes.clone()).is_ok() {
                assert!(RawBatch::parse(cut).is_err());
            }
        }
    }
}

#[test]
fn every_flipped_bit_is_noticed() -> Result<(), BatchError> {
    for bytes in small_files() {
        let original = raw_batches(bytes.clone())?;
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            if bit % 8 == bit / 8 % 8 {
                decode_everything(&flipped);
            }
            let mut batches = Batches::new(Bytes::from(flipped));
            let sound = batches
                .by_ref()
                .map_while(Result::ok)
                .filter(|b| b.verify_crc().is_ok());
            for batch in sound {
                // The checksum covers everything but the base offset, the length and the epoch.
                let covered = &batch.bytes()[17..];
                assert!(
                    original.iter().any(|batch| batch.bytes()[17..] == *covered),
                    "bit {bit}"
                );
            }
        }
    }
    Ok(())
}

/// The fuzz target's own entry on mutated golden bytes, the same ones every time.
#[test]
fn mutated_golden_bytes_do_not_panic() {
    decode_mutations(&BATCH_FILES.map(golden));
}

/// The same on requests and responses.
#[test]
fn mutated_messages_do_not_panic() {
    let records = Some(golden("java_none"));
    let topic = || TopicName(StrBytes::from_static_str("orders"));
    let produced = produce_request::PartitionProduceData::default().with_records(records.clone());
    let produced = produce_request::TopicProduceData::default()
        .with_name(topic())
        .with_partition_data(vec![produced]);
    let produce = ProduceRequest::default().with_topic_data(vec![produced]);
    let asked = metadata_request::MetadataRequestTopic::default().with_name(Some(topic()));
    let metadata = MetadataRequest::default().with_topics(Some(vec![asked]));
    let fetched = fetch_response::PartitionData::default().with_records(records);
    let fetched = fetch_response::FetchableTopicResponse::default().with_partitions(vec![fetched]);
    let fetch = FetchResponse::default().with_responses(vec![fetched]);

    let mut messages = Vec::new();
    for version in [3, 8, 9, 12] {
        messages.push(encode_request(version, 1, "client", &produce));
        messages.push(encode_request(version, 1, "client", &metadata));
    }
    for version in [4, 11, 12] {
        // The entry takes the version from where a request has it: within the correlation id.
        let correlation_id = i32::from(version);
        messages.push(encode_response(
            ApiKey::Fetch,
            version,
            correlation_id,
            &fetch,
        ));
    }
    let behind_length = |frame: Result<BytesMut, RpcError>| frame.map(|f| f.freeze().slice(4..));
    let messages: Result<Vec<_>, _> = messages.into_iter().map(behind_length).collect();
    decode_mutations(&messages.expect("these fields exist in these versions"));
}

fn decode_mutations(originals: &[Bytes]) {
    const ROUNDS: usize = 100;
    let mut random = Lcg(0x006d_696c_656e_6131);
    for bytes in originals {
        decode_everything(bytes);
        for _ in 0..ROUNDS {
            let mut mutated = bytes.to_vec();
            for _ in 0..=random.below(6) {
                mutate(&mut mutated, originals, &mut random);
            }
            decode_everything(&mutated);
        }
    }
}

fn mutate(bytes: &mut Vec<u8>, files: &[Bytes], random: &mut Lcg) {
    const INTERESTING: [&[u8]; 6] = [
        &[0xff, 0xff, 0xff, 0xff],
        &[0x7f, 0xff, 0xff, 0xff],
        &[0xfe, 0xff, 0xff, 0xff, 0x0f],
        &[0x80, 0x00, 0x00, 0x00],
        &[0x00],
        &[0x80; 11],
    ];
    let at = random.below(bytes.len());
    match random.below(6) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at] = random.below(256) as u8,
        2 => bytes.truncate(at.max(1)),
        3 => {
            let new = INTERESTING[random.below(INTERESTING.len())];
            let end = (at + new.len()).min(bytes.len());
            bytes.splice(at..end, new.iter().copied());
        }
        4 => {
            let end = at + random.below(bytes.len() - at + 1).min(64);
            let again = bytes[at..end].to_vec();
            bytes.splice(at..at, again);
        }
        _ => {
            let other = &files[random.below(files.len())];
            bytes.extend_from_slice(&other[..random.below(other.len())]);
        }
    }
}

/// A generator of numbers that are the same on every run.
struct Lcg(u64);

impl Lcg {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound.max(1)
    }
}

#[test]
fn pitfall_25_a_crafted_record_count_is_refused_before_anything_is_made() {
    let check = |count: i32, records: &[u8], codec| {
        let result = try_craft(records, count, codec);
        assert!(
            matches!(result, Err(BatchError::InvalidCount { .. })),
            "{count} {codec}: {result:?}"
        );
    };
    check(i32::MAX, &[0; 700], Compression::None);
    check(101, &[0; 700], Compression::None);
    check(-1, &[0; 700], Compression::None);
    check(i32::MAX, &[0; 700], Compression::Zstd);
    // A count that could be true of compressed records is not until they are there.
    let mut compressed = Vec::new();
    compress(Compression::Zstd, None, &[0; 7], &mut compressed).expect("zstd compresses");
    let batch = craft(&compressed, 50_000_000, Compression::Zstd).open(1_000);
    let first_error = batch
        .expect("it decompresses")
        .records()
        .find_map(Result::err);
    assert!(first_error.is_some());
}

#[test]
fn pitfall_25_crafted_record_fields_are_refused() {
    let check = |record: &[u8], expected: &str| {
        let padded = [record, &[0; 20]].concat();
        let raw = craft(&padded, 1, Compression::None);
        let batch = raw.open(1_000).expect("nothing is compressed");
        let mut all = batch.records();
        let error = all
            .find_map(Result::err)
            .expect("the record is not valid")
            .to_string();
        assert!(error.contains(expected), "{record:?}: {error}");
        assert!(all.next().is_none(), "an ended iteration stays ended");
    };
    let max = [0xfe, 0xff, 0xff, 0xff, 0x0f];
    check(&max, "longer than its record");
    check(&[1], "no length");
    check(&[3], "below -1");
    check(&[0], "empty");
    // Length 16: attributes, deltas, then a key, value or header count of 2147483647.
    check(
        &[&[32, 0, 0, 0][..], &max].concat(),
        "longer than its record",
    );
    check(
        &[&[32, 0, 0, 0, 1][..], &max].concat(),
        "longer than its record",
    );
    check(
        &[&[32, 0, 0, 0, 1, 1][..], &max].concat(),
        "more headers announced",
    );
    check(&[32, 0, 0, 0, 1, 1, 1], "headers is negative");
    check(&[32, 0, 0, 0, 1, 1, 2, 1], "a header has no key");
    check(&[32, 0, 0, 0, 1, 1, 0, 7], "left behind the headers");
    check(&[12, 0, 0, 1, 1, 1, 0], "offset is not within its batch");
    check(&[12, 0, 0, 0, 1, 1, 0], "left behind the last record");
}

#[test]
fn old_formats_and_impossible_headers_are_errors_not_the_end() {
    let valid = golden("java_none").to_vec();
    let check = |at: usize, byte: u8, expected: &str| {
        let mut bytes = valid.clone();
        bytes[at] = byte;
        let mut batches = Batches::new(Bytes::from(bytes));
        let error = batches
            .next()
            .expect("an error is an item")
            .expect_err("the header lies");
        assert!(error.to_string().contains(expected), "{error}");
        assert!(batches.next().is_none() && !batches.partial_trailing());
    };
    check(16, 1, "format 1");
    check(16, 0, "format 0");
    check(8, 0x80, "announces a length");
    check(23, 0x80, "last offset delta");
    check(57, 0x80, "records");
    check(22, 7, "compression type 7");
}

/// The log cleaner may leave the compression in the header of a batch without records.
#[test]
fn pitfall_23_an_emptied_batch_that_says_it_is_compressed_opens() -> Result<(), BatchError> {
    for codec in Compression::ALL {
        let batch = craft(&[], 0, codec).open(0)?;
        assert_eq!(records(&batch)?.len(), 0, "{codec}");
        assert_eq!(batch.header.next_offset(), i64::from(i32::MAX));
    }
    Ok(())
}

#[test]
fn a_small_batch_cannot_fill_the_memory() -> Result<(), BatchError> {
    const LIMIT: usize = 1 << 20;
    let zeros = vec![0; 64 << 20];
    for codec in [
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ] {
        let mut bomb = Vec::new();
        compress(codec, None, &zeros, &mut bomb)?;
        let bomb = Bytes::from(bomb);
        let result = decompress(codec, &bomb, LIMIT);
        assert!(
            matches!(result, Err(CompressionError::TooLarge { .. })),
            "{codec}: {result:?}"
        );
        let result = craft(&bomb, 1, codec).open(LIMIT);
        assert!(matches!(result, Err(BatchError::Compression(_))), "{codec}");
    }
    // A raw snappy block of five bytes that claims to unfold to 4 GiB, and to 512 KiB.
    for claim in [&[0xff, 0xff, 0xff, 0xff, 0x0f][..], &[0x80, 0x80, 0x20]] {
        let block = Bytes::copy_from_slice(claim);
        assert!(decompress(Compression::Snappy, &block, LIMIT).is_err());
    }
    Ok(())
}

#[test]
fn compressed_data_cut_off_anywhere_is_an_error() -> Result<(), BatchError> {
    let input: Vec<u8> = (0..500_u32)
        .flat_map(|number| (number * number).to_be_bytes())
        .collect();
    for codec in [
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ] {
        let mut whole = Vec::new();
        compress(codec, None, &input, &mut whole)?;
        for end in 0..whole.len() {
            let cut = Bytes::copy_from_slice(&whole[..end]);
            match decompress(codec, &cut, 10_000) {
                Err(CompressionError::Corrupt { .. } | CompressionError::TooLarge { .. }) => {}
                // A missing end mark, at most: a short batch is noticed by its records.
                Ok(out) => assert!(input.starts_with(&out), "{codec} {end}"),
                Err(error) => panic!("{codec} {end}: {error}"),
            }
        }
    }
    Ok(())
}

#[test]
fn the_records_of_a_mixed_up_batch_are_not_taken_for_ours() -> Result<(), BatchError> {
    let mut encoder = BatchEncoder::with_capacity(0);
    encoder.append(&RecordData {
        value: Some(b"elsewhere"),
        ..RecordData::default()
    })?;
    let ours = open(&RawBatch::parse(encoder.finish(
        BatchStamp::NONE,
        Compression::None,
        None,
    )?)?)?;
    let other = open(&raw_batches(golden("java_none"))?[0])?;
    let record = records(&ours)?[0];
    // A slice of another batch is copied instead of cutting at a wrong place.
    assert_eq!(
        record.value_bytes(&other).as_deref(),
        Some(b"elsewhere".as_slice())
    );
    assert_eq!(
        record.value_bytes(&ours).as_deref(),
        Some(b"elsewhere".as_slice())
    );
    Ok(())
}
