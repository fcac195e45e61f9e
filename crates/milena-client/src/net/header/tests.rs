use super::*;

fn header(api: ApiKey, version: i16) -> RequestHeader<'static> {
    RequestHeader {
        api,
        version,
        correlation_id: 7,
        client_id: "me",
    }
}

#[test]
fn length_counts_header_and_body() {
    for (api, version) in [
        (ApiKey::Metadata, 1),
        (ApiKey::Metadata, 12),
        (ApiKey::ApiVersions, 3),
    ] {
        let bytes = header(api, version).encode(100).expect("it fits");
        let length = i32::from_be_bytes(bytes[..4].try_into().expect("four bytes"));
        assert_eq!(length as usize, bytes.len() - 4 + 100, "{api:?} v{version}");
    }
}

#[test]
fn fields_stand_where_kafka_reads_them() {
    let plain = header(ApiKey::Metadata, 1).encode(0).expect("it fits");
    assert_eq!(plain[4..], [0, 3, 0, 1, 0, 0, 0, 7, 0, 2, b'm', b'e']);
    let flexible = header(ApiKey::Metadata, 9).encode(0).expect("it fits");
    assert_eq!(flexible[4..], [0, 3, 0, 9, 0, 0, 0, 7, 0, 2, b'm', b'e', 0]);
}

#[test]
fn a_frame_longer_than_its_length_field_is_refused() {
    assert_eq!(header(ApiKey::Produce, 3).encode(i32::MAX as usize), None);
    assert_eq!(header(ApiKey::Produce, 3).encode(usize::MAX), None);
}

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
