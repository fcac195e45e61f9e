//! kcat's `-f`: a text with `%` tokens, filled in for each record.

use super::TextRecord;

/// What the tokens mean, for `--help`.
pub(crate) const HELP: &str = "%s value, %S its length (-1 for null), %R the length as 4 bytes \
     big-endian, %k key, %K its length, %h headers (name=value,…), %t topic, %p partition, \
     %o offset, %T timestamp (ms), %% a percent sign, \\n \\r \\t \\\\ \\xNN";

/// A parsed format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Format {
    parts: Vec<Part>,
    null_text: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(Vec<u8>),
    Value,
    ValueLength,
    ValueLengthBinary,
    Key,
    KeyLength,
    Headers,
    Topic,
    Partition,
    Offset,
    Timestamp,
}

impl Format {
    /// Parses a format; the error says what is wrong with it.
    pub(crate) fn parse(text: &str, null_text: &'static str) -> Result<Format, String> {
        let mut parts = Vec::new();
        let mut literal = Vec::new();
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            match character {
                '%' => match token(characters.next())? {
                    Part::Literal(bytes) => literal.extend(bytes),
                    part => {
                        push_literal(&mut parts, &mut literal);
                        parts.push(part);
                    }
                },
                '\\' => literal.push(escape(&mut characters)?),
                other => literal.extend(other.encode_utf8(&mut [0; 4]).bytes()),
            }
        }
        push_literal(&mut parts, &mut literal);
        Ok(Format { parts, null_text })
    }

    /// kcat's default: the value and a newline; with a key delimiter, the key before it.
    pub(crate) fn lines(key_delimiter: Option<&str>, null_text: &'static str) -> Format {
        let mut parts = Vec::new();
        if let Some(delimiter) = key_delimiter {
            parts.extend([Part::Key, Part::Literal(delimiter.as_bytes().to_vec())]);
        }
        parts.extend([Part::Value, Part::Literal(b"\n".to_vec())]);
        Format { parts, null_text }
    }

    /// Appends the record.
    pub(crate) fn write(&self, record: &TextRecord, out: &mut Vec<u8>) {
        for part in &self.parts {
            match part {
                Part::Literal(bytes) => out.extend_from_slice(bytes),
                Part::Value => self.write_bytes(record.value.as_deref(), out),
                Part::ValueLength => push_text(out, length(record.value.as_deref())),
                Part::ValueLengthBinary => {
                    out.extend_from_slice(&length(record.value.as_deref()).to_be_bytes());
                }
                Part::Key => self.write_bytes(record.key.as_deref(), out),
                Part::KeyLength => push_text(out, length(record.key.as_deref())),
                Part::Headers => write_headers(record, out),
                Part::Topic => push_text(out, &record.topic),
                Part::Partition => push_text(out, record.partition),
                Part::Offset => push_text(out, record.offset),
                Part::Timestamp => push_text(out, record.timestamp),
            }
        }
    }

    fn write_bytes(&self, bytes: Option<&[u8]>, out: &mut Vec<u8>) {
        out.extend_from_slice(bytes.unwrap_or(self.null_text.as_bytes()));
    }
}

fn token(character: Option<char>) -> Result<Part, String> {
    Ok(match character {
        Some('s') => Part::Value,
        Some('S') => Part::ValueLength,
        Some('R') => Part::ValueLengthBinary,
        Some('k') => Part::Key,
        Some('K') => Part::KeyLength,
        Some('h') => Part::Headers,
        Some('t') => Part::Topic,
        Some('p') => Part::Partition,
        Some('o') => Part::Offset,
        Some('T') => Part::Timestamp,
        Some('%') => Part::Literal(b"%".to_vec()),
        Some(other) => return Err(format!("there is no token %{other}; there are {HELP}")),
        None => return Err("the format ends in the middle of a token; write %% for %".to_owned()),
    })
}

fn escape(characters: &mut std::str::Chars<'_>) -> Result<u8, String> {
    match characters.next() {
        Some('n') => Ok(b'\n'),
        Some('r') => Ok(b'\r'),
        Some('t') => Ok(b'\t'),
        Some('\\') => Ok(b'\\'),
        Some('x') => {
            let digits: String = characters.by_ref().take(2).collect();
            u8::from_str_radix(&digits, 16)
                .map_err(|_| format!("\\x{digits}: two hexadecimal digits must follow \\x"))
        }
        Some(other) => Err(format!(
            "there is no escape \\{other}; there are \\n \\r \\t \\\\ \\xNN"
        )),
        None => Err("the format ends in the middle of an escape; write \\\\ for \\".to_owned()),
    }
}

fn push_literal(parts: &mut Vec<Part>, literal: &mut Vec<u8>) {
    if !literal.is_empty() {
        parts.push(Part::Literal(std::mem::take(literal)));
    }
}

fn push_text(out: &mut Vec<u8>, value: impl ToString) {
    out.extend_from_slice(value.to_string().as_bytes());
}

/// -1 for null, as in kcat.
fn length(bytes: Option<&[u8]>) -> i32 {
    bytes.map_or(-1, |bytes| i32::try_from(bytes.len()).unwrap_or(i32::MAX))
}

fn write_headers(record: &TextRecord, out: &mut Vec<u8>) {
    for (index, (name, value)) in record.headers.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(name.as_bytes());
        out.push(b'=');
        out.extend_from_slice(value.as_deref().unwrap_or(b"NULL"));
    }
}

#[cfg(test)]
mod tests;
