//! The fuzz entry: gives bytes to everything that reads bytes. Must return, whatever they are.
//! The fuzz target includes this file.

use bytes::{Bytes, BytesMut};
use milena_wire::batch::control::ControlRecord;
use milena_wire::batch::{
    Batch, BatchEncoder, BatchHeader, BatchStamp, Batches, Header, RawBatch, RecordData,
    RecordView, patch_base_offset, patch_leader_epoch, patch_log_append_time, patch_producer,
};
use milena_wire::compression::{Compression, decompress};
use milena_wire::frame::{frame_bytes_missing, split_frame};
use milena_wire::rpc::{
    ApiKey, Decodable, Message, RequestHead, decode_request, decode_response, skip_response_head,
    take_correlation_id,
};
use milena_wire::{ErrorCode, varint};
use std::hint::black_box;

const DECOMPRESSED_BYTES_MAX: usize = 1 << 20;

/// Reads `data` as everything it could be.
pub(crate) fn decode_everything(data: &[u8]) {
    read_numbers(data);
    read_frames(data);
    let bytes = Bytes::copy_from_slice(data);
    read_batches(&bytes);
    patch(data);
    for codec in Compression::ALL {
        if let Ok(out) = decompress(codec, &bytes, DECOMPRESSED_BYTES_MAX) {
            assert!(
                out.len() <= DECOMPRESSED_BYTES_MAX,
                "{codec} went beyond its limit"
            );
        }
    }
    read_rpc(&bytes);
}

fn read_numbers(data: &[u8]) {
    let mut rest = data;
    while !rest.is_empty() && varint::read_i64(&mut rest).is_ok() {}
    let mut rest = data;
    while !rest.is_empty() && varint::read_i32(&mut rest).is_ok() {}
    if let Some(code) = data.first_chunk() {
        let code = i16::from_be_bytes(*code);
        assert_eq!(ErrorCode::from(code).code(), code);
    }
}

fn read_frames(data: &[u8]) {
    let mut buffer = BytesMut::from(data);
    while let Ok(Some(frame)) = split_frame(&mut buffer, 1 << 16) {
        assert!(frame.len() <= 1 << 16);
    }
    let missing = frame_bytes_missing(&buffer, 1 << 16);
    assert_ne!(missing, Ok(0), "a whole frame would have been split off");
}

fn read_batches(bytes: &Bytes) {
    let mut batches = Batches::new(bytes.clone());
    for batch in batches.by_ref().map_while(Result::ok) {
        let _ = black_box(batch.verify_crc());
        read_batch(&batch);
    }
    assert!(batches.next().is_none(), "an ended iteration stays ended");
}

fn read_batch(raw: &RawBatch) {
    assert!(raw.header.next_offset() > raw.header.base_offset);
    let Ok(batch) = raw.open(DECOMPRESSED_BYTES_MAX) else {
        return;
    };
    let mut views = Vec::new();
    for record in batch.records() {
        match record {
            Ok(record) => views.push(record),
            Err(error) => {
                black_box(error.to_string());
                return;
            }
        }
    }
    assert_eq!(views.len(), raw.header.records_count as usize);
    for record in &views {
        read_record(&batch, record);
    }
    encode_again(&views);
}

fn read_record(batch: &Batch, record: &RecordView<'_>) {
    assert!(
        record.offset >= batch.header.base_offset && record.offset <= batch.header.last_offset()
    );
    assert_eq!(record.key_bytes(batch).as_deref(), record.key);
    assert_eq!(record.value_bytes(batch).as_deref(), record.value);
    assert_eq!(
        record.headers.iter().count(),
        record.headers.len(),
        "headers were checked"
    );
    for header in record.headers {
        black_box(header.key_text());
    }
    if batch.header.attributes.is_control() {
        let _ = black_box(ControlRecord::parse(record));
    }
}

/// What was read can be written, and reads the same.
fn encode_again(views: &[RecordView<'_>]) {
    let mut encoder = BatchEncoder::with_capacity(0);
    for view in views {
        let texts: Vec<_> = view
            .headers
            .iter()
            .map(|header| header.key_text())
            .collect();
        let headers = view.headers.iter().zip(&texts);
        let headers: Vec<_> = headers
            .map(|(header, key)| Header {
                key,
                value: header.value,
            })
            .collect();
        let record = RecordData {
            timestamp: view.timestamp,
            key: view.key,
            value: view.value,
            headers: &headers,
        };
        if encoder.append(&record).is_err() {
            return;
        }
    }
    let Ok(bytes) = encoder.finish(BatchStamp::NONE, Compression::None, None) else {
        return;
    };
    let batch = RawBatch::parse(bytes).and_then(|raw| raw.open(usize::MAX));
    let batch = batch.expect("our own batch opens");
    for (again, view) in batch.records().zip(views) {
        let again = again.expect("our own records are valid");
        assert_eq!(
            (again.timestamp, again.key, again.value, again.headers.len()),
            (view.timestamp, view.key, view.value, view.headers.len())
        );
    }
}

fn patch(data: &[u8]) {
    let mut batch = data.to_vec();
    let _ = patch_base_offset(&mut batch, 5);
    let _ = patch_leader_epoch(&mut batch, 6);
    let _ = patch_producer(&mut batch, 7, 8, 9);
    if patch_log_append_time(&mut batch, 10).is_ok() {
        let header = BatchHeader::parse(&batch).expect("a patched header stays valid");
        assert_eq!((header.base_offset, header.max_timestamp), (5, 10));
        assert!(milena_wire::batch::verify_crc(&batch).is_ok());
    }
}

fn read_rpc(bytes: &Bytes) {
    use milena_wire::rpc::messages as m;
    let mut frame = bytes.clone();
    let Ok(head) = RequestHead::decode(&mut frame) else {
        return;
    };
    let version = head.api_version;
    match head.api() {
        Some(ApiKey::Produce) => request::<m::ProduceRequest>(version, frame),
        Some(ApiKey::Fetch) => request::<m::FetchRequest>(version, frame),
        Some(ApiKey::Metadata) => request::<m::MetadataRequest>(version, frame),
        Some(ApiKey::JoinGroup) => request::<m::JoinGroupRequest>(version, frame),
        Some(ApiKey::OffsetCommit) => request::<m::OffsetCommitRequest>(version, frame),
        Some(ApiKey::CreateTopics) => request::<m::CreateTopicsRequest>(version, frame),
        _ => {}
    }
    let mut frame = bytes.clone();
    if take_correlation_id(&mut frame).is_ok()
        && skip_response_head(ApiKey::Fetch, version, &mut frame).is_ok()
    {
        let _ = black_box(decode_response::<m::FetchResponse>(
            version,
            &mut frame.clone(),
        ));
        let _ = black_box(decode_response::<m::MetadataResponse>(
            version,
            &mut frame.clone(),
        ));
        let _ = black_box(decode_response::<m::ApiVersionsResponse>(
            version, &mut frame,
        ));
    }
}

fn request<M: Decodable + Message>(version: i16, mut body: Bytes) {
    let _ = black_box(decode_request::<M>(version, &mut body).is_ok());
}
