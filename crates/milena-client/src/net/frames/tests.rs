use super::*;
use tokio::io::AsyncWriteExt;

const FRAME_BYTES_MAX: usize = 1024 * 1024;

fn frame(length: usize, fill: u8) -> Vec<u8> {
    let mut bytes = (length as i32).to_be_bytes().to_vec();
    bytes.resize(4 + length, fill);
    bytes
}

/// Feeds `input` in pieces of `piece_bytes` and returns the frames and how it ended.
async fn read_all(input: &[u8], piece_bytes: usize) -> (Vec<Bytes>, FrameError) {
    let (mut write, read) = tokio::io::duplex(piece_bytes);
    let input = input.to_vec();
    let writing = tokio::spawn(async move {
        // Fails when the reader gives up early, as it should on bad input.
        let _ = write.write_all(&input).await;
    });
    let mut reader = FrameReader::new(read, FRAME_BYTES_MAX);
    let mut frames = Vec::new();
    let error = loop {
        match reader.take_frame() {
            Ok(Some(frame)) => frames.push(frame),
            Ok(None) => {
                if let Err(error) = reader.read_more().await {
                    break error;
                }
            }
            Err(error) => break error,
        }
    };
    drop(reader);
    writing.await.expect("the writer does not panic");
    (frames, error)
}

#[tokio::test]
async fn frames_of_all_sizes_come_out_whole() {
    let lengths = [
        0,
        1,
        5,
        100,
        READ_BYTES - 5,
        READ_BYTES - 4,
        READ_BYTES,
        300_000,
        3,
        700_000,
        8,
    ];
    let mut input = Vec::new();
    for (position, length) in lengths.into_iter().enumerate() {
        input.extend(frame(length, position as u8));
    }
    for piece_bytes in [7, 1000, READ_BYTES, 4 * READ_BYTES] {
        let (frames, error) = read_all(&input, piece_bytes).await;
        assert!(
            matches!(
                error,
                FrameError::Closed {
                    within_frame: false
                }
            ),
            "{error:?}"
        );
        let found: Vec<usize> = frames.iter().map(Bytes::len).collect();
        assert_eq!(found, lengths, "in pieces of {piece_bytes}");
        for (position, frame) in frames.iter().enumerate() {
            assert!(
                frame.iter().all(|byte| *byte == position as u8),
                "frame {position}"
            );
        }
    }
}

#[tokio::test]
async fn truncated_frames_are_told_from_a_clean_end() {
    for cut in [1, 3, 4, 50, 200_000] {
        let (frames, error) = read_all(&frame(300_000, 1)[..cut], 1000).await;
        assert_eq!(frames.len(), 0);
        assert!(
            matches!(error, FrameError::Closed { within_frame: true }),
            "cut at {cut}: {error:?}"
        );
    }
}

#[tokio::test]
async fn impossible_lengths_are_refused_before_anything_is_allocated() {
    for length in [-1, i32::MIN, i32::MAX, FRAME_BYTES_MAX as i32 + 1] {
        let (frames, error) = read_all(&length.to_be_bytes(), 1000).await;
        assert_eq!(frames.len(), 0);
        assert!(
            matches!(error, FrameError::Length(found) if found == length),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_large_frame_uses_the_buffer_of_one_that_is_done_with() {
    let (mut write, read) = tokio::io::duplex(8 * READ_BYTES);
    let mut reader = FrameReader::new(read, FRAME_BYTES_MAX);
    let mut addresses = Vec::new();
    for length in [300_000, 280_000, 10, 300_000] {
        write.write_all(&frame(length, 1)).await.expect("it fits");
        let frame = loop {
            match reader.take_frame().expect("the length is allowed") {
                Some(frame) => break frame,
                None => reader.read_more().await.expect("more is there"),
            }
        };
        assert_eq!(frame.len(), length);
        addresses.push(frame.as_ptr());
    }
    assert_eq!(
        addresses[0], addresses[1],
        "one large frame after the other"
    );
    let kept = reader.spare.take(300_000).capacity();
    assert_eq!(kept, 300_000, "exactly as large as its first frame");
    reader.spare.give_back(Vec::with_capacity(kept));
    write.write_all(&frame(10, 2)).await.expect("it fits");
    reader.read_more().await.expect("more is there");
    assert!(reader.take_frame().expect("allowed").is_some());
    assert_eq!(reader.spare.take(kept).capacity(), 0, "the flood is over");
}
