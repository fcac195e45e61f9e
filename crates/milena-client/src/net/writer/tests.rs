use super::*;

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

#[tokio::test]
async fn many_pieces_arrive_in_order() {
    let mut chunks: VecDeque<Bytes> = (0..1000u32)
        .map(|number| Bytes::copy_from_slice(&number.to_be_bytes()))
        .collect();
    let expected: Vec<u8> = chunks.iter().flatten().copied().collect();
    let mut sink = io::Cursor::new(Vec::new());
    write(&mut sink, &mut chunks)
        .await
        .expect("memory takes all");
    assert_eq!(sink.into_inner(), expected);
}
