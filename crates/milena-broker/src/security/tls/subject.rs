//! The subject of a certificate as text (RFC 2253), which is the client's name: Kafka's default for
//! `ssl.principal.mapping.rules`. Reads just as much DER as that takes; the certificate has been
//! verified before.

/// Tags of DER.
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_ID: u8 = 0x06;
/// The version of a certificate, which may be missing.
const VERSION: u8 = 0xa0;
/// `2.5.4`, the arc of X.520 attributes.
const X520: [u8; 2] = [0x55, 0x04];
/// `0.9.2342.19200300.100.1`, the arc of RFC 4519's `UID` and `DC`.
const PILOT: [u8; 9] = [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01];

/// Such as `CN=client,O=Example`.
pub(super) fn distinguished_name(certificate: &[u8]) -> Option<String> {
    let mut certificate = element(&mut &*certificate, SEQUENCE)?;
    let mut fields = element(&mut certificate, SEQUENCE)?;
    if fields.first() == Some(&VERSION) {
        element(&mut fields, VERSION)?;
    }
    // Serial number, algorithm, issuer, validity.
    for _ in 0..4 {
        any(&mut fields)?;
    }
    let mut subject = element(&mut fields, SEQUENCE)?;
    let mut parts = Vec::new();
    while !subject.is_empty() {
        let mut set = element(&mut subject, SET)?;
        let mut attributes = Vec::new();
        while !set.is_empty() {
            attributes.push(attribute(element(&mut set, SEQUENCE)?)?);
        }
        parts.push(attributes.join("+"));
    }
    parts.reverse();
    Some(parts.join(","))
}

fn attribute(mut content: &[u8]) -> Option<String> {
    let id = element(&mut content, OBJECT_ID)?;
    let encoded = content;
    let (_, value) = any(&mut content)?;
    match (keyword(id), std::str::from_utf8(value)) {
        (Some(keyword), Ok(text)) => Some(format!("{keyword}={}", escaped(text))),
        _ => Some(format!("{}=#{}", dotted(id), hex(encoded))),
    }
}

fn keyword(id: &[u8]) -> Option<&'static str> {
    if let Some([last]) = id.strip_prefix(&X520) {
        return Some(match last {
            3 => "CN",
            6 => "C",
            7 => "L",
            8 => "ST",
            9 => "STREET",
            10 => "O",
            11 => "OU",
            _ => return None,
        });
    }
    match id.strip_prefix(&PILOT)? {
        [1] => Some("UID"),
        [25] => Some("DC"),
        _ => None,
    }
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let last = text.len().saturating_sub(1);
    for (position, character) in text.char_indices() {
        let is_edge = (position == 0 && matches!(character, ' ' | '#'))
            || (position == last && character == ' ');
        if is_edge || matches!(character, ',' | '+' | '"' | '\\' | '<' | '>' | ';') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

fn dotted(id: &[u8]) -> String {
    let mut numbers: Vec<u64> = Vec::new();
    let mut number = 0_u64;
    for byte in id {
        number = (number << 7) | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            match numbers.is_empty() {
                true => numbers.extend([(number / 40).min(2), number - 40 * (number / 40).min(2)]),
                false => numbers.push(number),
            }
            number = 0;
        }
    }
    let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    numbers.join(".")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The content of the next element, which must have this tag.
fn element<'a>(input: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    let (found, content) = any(input)?;
    (found == tag).then_some(content)
}

/// The tag and the content of the next element.
fn any<'a>(input: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (tag, rest) = input.split_first()?;
    let (first, mut rest) = rest.split_first()?;
    let mut length = usize::from(*first);
    if length >= 0x80 {
        let (bytes, after) = rest.split_at_checked(length & 0x7f)?;
        if bytes.len() > 4 {
            return None;
        }
        length = bytes
            .iter()
            .fold(0, |length, byte| (length << 8) | usize::from(*byte));
        rest = after;
    }
    let (content, rest) = rest.split_at_checked(length)?;
    *input = rest;
    Some((*tag, content))
}

#[cfg(test)]
mod tests;
