use super::*;
use tokio::io::AsyncRead;

#[test]
fn what_was_written_is_dropped() {
    fn check(written: usize, rest: &[&[u8]]) {
        let mut chunks: VecDeque<Bytes> = [&b"abc"[..], b"d", b"efgh"]
            .into_iter()
            .map(Bytes::from_static)
            .collect();
        advance(&mut chunks, written);
        assert_eq!(chunks, rest, "{written} written");
    }
    check(0, &[b"abc", b"d", b"efgh"]);
    check(2, &[b"c", b"d", b"efgh"]);
    check(3, &[b"d", b"efgh"]);
    check(5, &[b"fgh"]);
    check(8, &[]);
}

#[test]
fn many_pieces_arrive_in_order() {
    let pieces = (0..1000u32).map(|number| Bytes::copy_from_slice(&number.to_be_bytes()));
    let expected: Vec<u8> = pieces.clone().flatten().collect();
    let mut pieces: VecDeque<Bytes> = pieces.collect();
    let (near, far) = tokio::io::duplex(1000);
    let mut writer = Writer::new(near);
    let more = |chunks: &mut VecDeque<Bytes>| chunks.extend(pieces.drain(..pieces.len().min(300)));
    let arrived = read_while_writing(far, &mut writer, more);
    assert_eq!(arrived, expected);
}

/// What arrives on a stream that takes little at a time.
fn read_while_writing(
    mut far: tokio::io::DuplexStream,
    writer: &mut Writer,
    mut more: impl FnMut(&mut VecDeque<Bytes>),
) -> Vec<u8> {
    let context = &mut Context::from_waker(Waker::noop());
    let mut arrived = Vec::new();
    loop {
        let polled = writer.poll_write(context, &mut more);
        let mut space = [0; 4096];
        let mut space = tokio::io::ReadBuf::new(&mut space);
        if Pin::new(&mut far).poll_read(context, &mut space).is_ready() {
            arrived.extend_from_slice(space.filled());
        }
        if let Poll::Ready(written) = polled {
            written.expect("the other side is open");
            return arrived;
        }
    }
}
