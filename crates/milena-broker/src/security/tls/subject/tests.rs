use super::*;

fn wrap(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).expect("a short test");
    let mut bytes = vec![tag];
    if length >= 0x80 {
        bytes.push(0x81);
    }
    bytes.push(length);
    bytes.extend_from_slice(content);
    bytes
}

/// A set of one attribute.
fn name(id: &[u8], text: &str) -> Vec<u8> {
    let attribute = [wrap(OBJECT_ID, id), wrap(0x0c, text.as_bytes())].concat();
    wrap(SET, &wrap(SEQUENCE, &attribute))
}

/// A certificate as far as it is read.
fn certificate(subject: &[Vec<u8>]) -> Vec<u8> {
    let fields = [
        wrap(VERSION, &[2, 1, 2]),
        wrap(0x02, &[1]),
        wrap(SEQUENCE, &[]),
        wrap(SEQUENCE, &[]),
        wrap(SEQUENCE, &[]),
        wrap(SEQUENCE, &subject.concat()),
    ];
    wrap(SEQUENCE, &wrap(SEQUENCE, &fields.concat()))
}

#[track_caller]
fn check(subject: &[(&[u8], &str)], expected: &str) {
    let subject: Vec<_> = subject.iter().map(|(id, text)| name(id, text)).collect();
    let found = distinguished_name(&certificate(&subject));
    assert_eq!(found.as_deref(), Some(expected));
}

#[test]
fn names_are_written_most_specific_first() {
    let (c, o, cn): (&[u8], &[u8], &[u8]) = (&[0x55, 4, 6], &[0x55, 4, 10], &[0x55, 4, 3]);
    check(
        &[(c, "DE"), (o, "Example"), (cn, "alice")],
        "CN=alice,O=Example,C=DE",
    );
    check(&[(cn, " a,b+c #")], "CN=\\ a\\,b\\+c #");
    check(&[(&[&PILOT[..], &[1]].concat(), "alice")], "UID=alice");
    check(&[], "");
}

#[test]
fn unknown_attributes_are_numbers() {
    check(&[(&[0x2a, 0x86, 0x48, 3], "x")], "1.2.840.3=#0c0178");
}

#[test]
fn nonsense_is_no_name() {
    let whole = certificate(&[name(&[0x55, 4, 3], "alice")]);
    for length in 0..whole.len() {
        assert_eq!(distinguished_name(&whole[..length]), None, "{length}");
    }
    assert_eq!(distinguished_name(&[SEQUENCE, 0x85, 1, 1, 1, 1, 1]), None);
}
