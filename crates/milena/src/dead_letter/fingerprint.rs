//! A short name for failures that look the same.

/// Hashes handler, stage, code and message, with everything in the message that differs
/// from record to record (numbers, quoted text) taken out. The same in every process and
/// version: dead letters are grouped by it.
pub(super) fn fingerprint(handler: &str, stage: &str, code: &str, message: &str) -> String {
    let mut hash = Fnv1a::default();
    for part in [handler, stage, code] {
        part.bytes().for_each(|byte| hash.write(byte));
        hash.write(0);
    }
    let mut bytes = message.bytes().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'0'..=b'9' => {
                while bytes.next_if(u8::is_ascii_digit).is_some() {}
                hash.write(b'#');
            }
            b'"' | b'`' => {
                while bytes.next_if(|next| *next != byte).is_some() {}
                bytes.next();
                hash.write(b'?');
            }
            _ => hash.write(byte),
        }
    }
    format!("{:016x}", hash.0)
}

/// FNV-1a, 64 bits: small, and stable, which the standard library's hasher is not.
struct Fnv1a(u64);

impl Default for Fnv1a {
    fn default() -> Fnv1a {
        Fnv1a(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv1a {
    fn write(&mut self, byte: u8) {
        self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
}

#[cfg(test)]
mod tests;
