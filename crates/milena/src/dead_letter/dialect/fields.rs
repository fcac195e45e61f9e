//! Values out of headers. What cannot be read is remembered, and counts as absent.

use std::str::FromStr;

use jiff::Timestamp;

use crate::message::HeadersRef;

/// The headers of one record, while they are read.
pub(super) struct Fields<'a> {
    headers: Vec<(&'a str, Option<&'a [u8]>)>,
    problems: Vec<String>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(headers: HeadersRef<'a>) -> Fields<'a> {
        Fields {
            headers: headers.iter().collect(),
            problems: Vec::new(),
        }
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> {
        self.headers.iter().map(|(name, _)| *name)
    }

    pub(super) fn has(&self, wanted: &str) -> bool {
        self.names().any(|name| name == wanted)
    }

    pub(super) fn into_problems(self) -> Vec<String> {
        self.problems
    }

    /// The last header of this name, unless it is null: what Kafka's clients take for the value.
    pub(super) fn bytes(&self, wanted: &str) -> Option<&'a [u8]> {
        let mut values = self.headers.iter().rev();
        values.find(|(name, _)| *name == wanted)?.1
    }

    /// The first header of this name, unless it is null.
    pub(super) fn first_bytes(&self, wanted: &str) -> Option<&'a [u8]> {
        let mut values = self.headers.iter();
        values.find(|(name, _)| *name == wanted)?.1
    }

    /// A text; bytes that are not UTF-8 show as `\u{fffd}`.
    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        let bytes = self.bytes(name)?;
        Some(self.text_of(name, bytes))
    }

    /// As [`Fields::text`], from the first header of this name.
    pub(super) fn first_text(&mut self, name: &str) -> Option<String> {
        let bytes = self.first_bytes(name)?;
        Some(self.text_of(name, bytes))
    }

    fn text_of(&mut self, name: &str, bytes: &[u8]) -> String {
        if std::str::from_utf8(bytes).is_err() {
            self.problems.push(format!("{name} is not UTF-8"));
        }
        String::from_utf8_lossy(bytes).into_owned()
    }

    /// A number written as text.
    pub(super) fn number<T: FromStr>(&mut self, name: &str) -> Option<T> {
        let text = std::str::from_utf8(self.bytes(name)?).ok();
        let number = text.and_then(|text| text.trim().parse().ok());
        if number.is_none() {
            self.problems
                .push(format!("{name} is not a number as text"));
        }
        number
    }

    /// The bytes of a number of exactly this size, from the first header of this name.
    pub(super) fn first_array<const N: usize>(&mut self, name: &str) -> Option<[u8; N]> {
        let bytes = self.first_bytes(name)?;
        let array = bytes.try_into().ok();
        if array.is_none() {
            let found = bytes.len();
            self.problems
                .push(format!("{name} has {found} bytes instead of {N}"));
        }
        array
    }

    /// An RFC 3339 time, in milliseconds since the Unix epoch.
    pub(super) fn time(&mut self, name: &str) -> Option<i64> {
        let text = self.text(name)?;
        let time = text.parse::<Timestamp>().ok();
        if time.is_none() {
            self.problems
                .push(format!("{name} is not an RFC 3339 time"));
        }
        time.map(Timestamp::as_millisecond)
    }

    pub(super) fn problem(&mut self, problem: String) {
        self.problems.push(problem);
    }
}

/// `None` for a negative number: what tools write that do not know a partition or offset.
pub(super) fn known<T: Default + PartialOrd>(number: T) -> Option<T> {
    (number >= T::default()).then_some(number)
}
