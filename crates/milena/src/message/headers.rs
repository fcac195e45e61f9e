//! A message's headers: an ordered list, names may repeat, values may be null.

use std::sync::Arc;

use bytes::Bytes;
use milena_client::consumer::{FetchedHeaders, HeadersView};

/// The headers of a message to keep, in their order. Cloning copies no bytes.
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
    pub(super) fn fetched(headers: FetchedHeaders) -> Headers {
        Headers {
            source: Source::Fetched(headers),
        }
    }

    pub(crate) fn own(headers: Vec<(String, Option<Bytes>)>) -> Headers {
        Headers {
            source: Source::Own(headers.into()),
        }
    }

    /// The same without keeping them.
    #[must_use]
    pub fn view(&self) -> HeadersRef<'_> {
        match &self.source {
            Source::Fetched(headers) => HeadersRef::fetched(headers.view()),
            Source::Own(headers) => HeadersRef(View::Own(headers)),
        }
    }

    /// As [`HeadersRef::iter`].
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&[u8]>)> {
        self.view().iter()
    }

    /// As [`HeadersRef::get`].
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.view().get(name)
    }

    /// As [`HeadersRef::text`].
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.view().text(name)
    }

    /// As [`HeadersRef::all`].
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Option<&'a [u8]>> {
        self.view().all(name)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.view().is_empty()
    }
}

/// The headers of a message, in their order.
#[derive(Debug, Clone, Copy)]
pub struct HeadersRef<'a>(View<'a>);

#[derive(Debug, Clone, Copy)]
enum View<'a> {
    Fetched(HeadersView<'a>),
    Own(&'a [(String, Option<Bytes>)]),
}

impl<'a> HeadersRef<'a> {
    #[inline]
    pub(super) fn fetched(headers: HeadersView<'a>) -> HeadersRef<'a> {
        HeadersRef(View::Fetched(headers))
    }

    /// Name and value of each header, in order; a null value is `None`. A name that is not
    /// UTF-8, which Kafka does not allow, shows as `\u{fffd}`.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, Option<&'a [u8]>)> {
        let (fetched, own) = match self.0 {
            View::Fetched(headers) => (Some(headers.iter()), None),
            View::Own(headers) => (None, Some(headers.iter())),
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
    #[inline]
    #[must_use]
    pub fn get(self, name: &str) -> Option<&'a [u8]> {
        match self.0 {
            // Asked of every record, most of which have none: 4 instructions, not 38.
            View::Fetched(headers) if headers.is_empty() => None,
            View::Fetched(headers) => headers.get_last(name)?.value,
            View::Own(headers) => {
                let named = headers.iter().rfind(|(candidate, _)| candidate == name);
                named.and_then(|(_, value)| value.as_deref())
            }
        }
    }

    /// As [`HeadersRef::get`], when the value is UTF-8 text.
    #[must_use]
    pub fn text(self, name: &str) -> Option<&'a str> {
        self.get(name)
            .and_then(|value| std::str::from_utf8(value).ok())
    }

    /// The values of all headers of this name, in order.
    pub fn all(self, name: &'a str) -> impl Iterator<Item = Option<&'a [u8]>> {
        self.iter()
            .filter(move |(candidate, _)| *candidate == name)
            .map(|(_, value)| value)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        match self.0 {
            View::Fetched(headers) => headers.is_empty(),
            View::Own(headers) => headers.is_empty(),
        }
    }
}

impl Default for Headers {
    fn default() -> Headers {
        Headers::own(Vec::new())
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
