//! A message's headers: an ordered list, names may repeat, values may be null.

use std::sync::Arc;

use bytes::Bytes;
use milena_client::consumer::{ConsumedRecord, FetchedHeaders};

/// The headers of a message, in their order. Cloning copies no bytes.
///
/// ```
/// use milena::Headers;
///
/// let headers: Headers = [("trace", "a"), ("trace", "b")].into_iter().collect();
/// assert_eq!(headers.text("trace"), Some("b"));
/// assert_eq!(headers.iter().count(), 2);
/// ```
#[derive(Debug, Clone)]
pub struct Headers {
    source: Source,
}

#[derive(Debug, Clone)]
enum Source {
    /// As they came, decoded when asked for.
    Fetched(FetchedHeaders),
    /// Made by hand.
    Own(Arc<[(String, Option<Bytes>)]>),
}

impl Headers {
    pub(crate) fn fetched(record: &ConsumedRecord) -> Headers {
        Headers {
            source: Source::Fetched(record.fetched_headers().clone()),
        }
    }

    pub(crate) fn own(headers: Vec<(String, Option<Bytes>)>) -> Headers {
        Headers {
            source: Source::Own(headers.into()),
        }
    }

    /// Name and value of each header, in order; a null value is `None`. A name that is not
    /// UTF-8, which Kafka does not allow, shows as `\u{fffd}`.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&[u8]>)> {
        let (fetched, own) = match &self.source {
            Source::Fetched(headers) => (Some(headers.view().iter()), None),
            Source::Own(headers) => (None, Some(headers.iter())),
        };
        let fetched = fetched.into_iter().flatten().map(|header| {
            (
                std::str::from_utf8(header.key).unwrap_or("\u{fffd}"),
                header.value,
            )
        });
        let own = own.into_iter().flatten();
        fetched.chain(own.map(|(name, value)| (name.as_str(), value.as_deref())))
    }

    /// The value of the last header of this name, as Kafka's clients read it; `None` when
    /// there is none or it is null.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        match &self.source {
            Source::Fetched(headers) => {
                let headers = headers.view().iter();
                let named = headers.filter(|header| header.key == name.as_bytes());
                named.last().and_then(|header| header.value)
            }
            Source::Own(headers) => {
                let named = headers.iter().rfind(|(candidate, _)| candidate == name);
                named.and_then(|(_, value)| value.as_deref())
            }
        }
    }

    /// As [`Headers::get`], when the value is UTF-8 text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name)
            .and_then(|value| std::str::from_utf8(value).ok())
    }

    /// The values of all headers of this name, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Option<&'a [u8]>> {
        self.iter()
            .filter(move |(candidate, _)| *candidate == name)
            .map(|(_, value)| value)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}

impl Default for Headers {
    fn default() -> Headers {
        Headers {
            source: Source::Own(Arc::new([])),
        }
    }
}

impl<N: Into<String>, V: Into<Bytes>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(entries: I) -> Headers {
        let entries = entries
            .into_iter()
            .map(|(name, value)| (name.into(), Some(value.into())));
        Headers {
            source: Source::Own(entries.collect()),
        }
    }
}
