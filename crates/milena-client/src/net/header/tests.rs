use super::*;

#[test]
fn response_header_follows_the_request() {
    assert_eq!(
        ResponseHeader::of(ApiKey::Metadata, 8),
        ResponseHeader::Plain
    );
    assert_eq!(
        ResponseHeader::of(ApiKey::Metadata, 9),
        ResponseHeader::Flexible
    );
    // KIP-511: a client that does not know the broker's version yet must be able to read it.
    assert_eq!(
        ResponseHeader::of(ApiKey::ApiVersions, 3),
        ResponseHeader::Plain
    );
}

#[test]
fn tagged_fields_are_skipped() {
    fn check(header: ResponseHeader, bytes: &'static [u8], rest: Option<&[u8]>) {
        let mut body = Bytes::from_static(bytes);
        let skipped = header.skip_rest(&mut body);
        assert_eq!(skipped.map(|()| body.as_ref()), rest, "{bytes:?}");
    }
    check(ResponseHeader::Plain, &[0, 9], Some(&[0, 9]));
    check(ResponseHeader::Flexible, &[0, 9], Some(&[9]));
    check(ResponseHeader::Flexible, &[1, 0, 2, 8, 8, 9], Some(&[9]));
    check(ResponseHeader::Flexible, &[2, 0, 1, 8, 1, 0, 9], Some(&[9]));
    check(ResponseHeader::Flexible, &[], None);
    check(ResponseHeader::Flexible, &[1, 0, 200], None);
    check(
        ResponseHeader::Flexible,
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        None,
    );
}
