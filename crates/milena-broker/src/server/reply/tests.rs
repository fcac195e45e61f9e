use bytes::Bytes;

use super::*;

fn joined(frame: &ResponseFrame) -> Vec<u8> {
    frame
        .chunks
        .iter()
        .flat_map(|chunk| chunk.to_vec())
        .collect()
}

#[test]
fn a_frame_counts_its_copied_and_shared_bytes() {
    for body_bytes in [0, 10, limits::SHARED_BYTES_MIN, 100_000] {
        let mut writer = FrameWriter::new(7, true);
        writer.put_shared(&Bytes::from(vec![1; body_bytes]));
        writer.buffer.put_u8(9);
        let bytes = joined(&writer.finish());
        assert_eq!(bytes.len(), 4 + 4 + 1 + body_bytes + 1);
        assert_eq!(
            bytes[..4],
            u32::try_from(bytes.len() - 4).unwrap().to_be_bytes()
        );
        assert_eq!(bytes[4..9], [0, 0, 0, 7, 0]);
        assert_eq!(bytes.last(), Some(&9));
    }
}

#[test]
fn a_large_body_is_not_copied() {
    let body = Bytes::from(vec![1; 100_000]);
    let mut writer = FrameWriter::new(7, false);
    writer.put_shared(&body);
    let frame = writer.finish();
    assert_eq!(frame.chunks[1].as_ptr(), body.as_ptr());
}
