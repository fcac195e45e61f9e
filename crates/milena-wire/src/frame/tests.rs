//! Frames whole, in pieces, and refused.

use super::*;

fn split(bytes: &[u8], limit: usize) -> Result<Option<Bytes>, FrameError> {
    split_frame(&mut BytesMut::from(bytes), limit)
}

#[test]
fn splits_only_whole_frames() {
    let mut buffer = BytesMut::new();
    for byte in [0, 0, 0, 2, b'o'] {
        buffer.extend_from_slice(&[byte]);
        assert_eq!(split_frame(&mut buffer, 10), Ok(None));
    }
    assert_eq!(frame_bytes_missing(&buffer, 10), Ok(1));
    buffer.extend_from_slice(b"k\0\0\0\0rest");
    assert_eq!(frame_bytes_missing(&buffer, 10), Ok(0));
    assert_eq!(
        split_frame(&mut buffer, 10),
        Ok(Some(Bytes::from_static(b"ok")))
    );
    assert_eq!(split_frame(&mut buffer, 10), Ok(Some(Bytes::new())));
    assert_eq!(&buffer[..], b"rest");
}

#[test]
fn refuses_a_length_before_the_bytes_arrive() {
    let negative = FrameError::Negative { length: -1 };
    assert_eq!(split(&[0xff; 4], 10), Err(negative));
    let too_large = FrameError::TooLarge {
        length: 11,
        limit: 10,
    };
    assert_eq!(split(&[0, 0, 0, 11], 10), Err(too_large));
    assert_eq!(split(&[0, 0, 0, 10], 10), Ok(None));
    // The first bytes of an HTTP answer or a TLS alert are a length far above any limit.
    assert!(split(b"HTTP/1.1", 100 << 20).is_err());
}
