//! Who writes dead letters, and in which headers.
//!
//! Owns the choice of the dialect. Each file has one: which header means what, and where that is
//! known from.

mod connect;
mod fields;
mod milena;
mod share_group;
mod smallrye;
mod spring;
mod streams;
mod watermill;
mod wolverine;

use std::fmt;

use self::fields::Fields;
use super::history::Attempt;
use super::letter::{Failure, Origin, RedriveMark};
use super::names;
use crate::message::HeadersRef;

/// Who wrote a dead letter, told by its headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Dialect {
    /// Milena: `milena-origin-*`, `milena-failure-*`.
    Milena,
    /// Spring Kafka: `kafka_dlt-*`, or `kafka_original-*` and `kafka_exception-*` behind retry
    /// topics.
    Spring,
    /// Kafka Connect: `__connect.errors.*` (KIP-298).
    Connect,
    /// Kafka Streams: `__streams.errors.*` (KIP-1034).
    Streams,
    /// A broker, for a share group: `__dlq.errors.*` (KIP-1191).
    ShareGroup,
    /// SmallRye Reactive Messaging (Quarkus): `dead-letter-*`.
    SmallRye,
    /// Wolverine (.NET): `exception-*`, `original-*`, `failed-at`.
    Wolverine,
    /// Watermill (Go): `*_poisoned`.
    Watermill,
    /// Nobody we know. The record is whole, nothing is known about its failure.
    Unknown,
}

/// Whether a header of this name is one of a dialect's.
type Tells = fn(&str) -> bool;

/// What the headers of a dead letter told.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub(super) origin: Origin,
    pub(super) failure: Failure,
    pub(super) attempts: Option<u32>,
    pub(super) failed_first: Option<i64>,
    pub(super) failed_last: Option<i64>,
    pub(super) history: Vec<Attempt>,
    pub(super) handler: Option<String>,
    pub(super) app: Option<String>,
    pub(super) host: Option<String>,
    pub(super) redrive: RedriveMark,
    pub(super) fingerprint: Option<String>,
}

/// Reads the headers; the third is what could not be read.
pub(super) fn read(headers: HeadersRef<'_>) -> (Dialect, Parsed, Vec<String>) {
    let mut fields = Fields::new(headers);
    let dialect = Dialect::of(&fields);
    let mut parsed = match dialect {
        Dialect::Milena => milena::read(&mut fields),
        Dialect::Spring => spring::read(&mut fields),
        Dialect::Connect => connect::read(&mut fields),
        Dialect::Streams => streams::read(&mut fields),
        Dialect::ShareGroup => share_group::read(&mut fields),
        Dialect::SmallRye => smallrye::read(&mut fields),
        Dialect::Wolverine => wolverine::read(&mut fields),
        Dialect::Watermill => watermill::read(&mut fields),
        Dialect::Unknown => Parsed::default(),
    };
    // Our redrives mark records whoever wrote the letter.
    parsed.redrive = RedriveMark {
        count: fields.number(names::REDRIVE_COUNT).unwrap_or(0),
        id: fields.text(names::REDRIVE_ID),
        by: fields.text(names::REDRIVE_BY),
    };
    (dialect, parsed, fields.into_problems())
}

impl Dialect {
    /// The first whose headers are there. Where there are several, the record has been in more
    /// than one dead letter topic; ours is named first, as only we know the others.
    fn of(fields: &Fields<'_>) -> Dialect {
        let known: [(Dialect, Tells); 8] = [
            (Dialect::Milena, milena::tells),
            (Dialect::Spring, spring::tells),
            (Dialect::Connect, connect::tells),
            (Dialect::Streams, streams::tells),
            (Dialect::ShareGroup, share_group::tells),
            (Dialect::SmallRye, smallrye::tells),
            (Dialect::Wolverine, wolverine::tells),
            (Dialect::Watermill, watermill::tells),
        ];
        let found = known
            .into_iter()
            .find(|(_, tells)| fields.names().any(tells));
        found.map_or(Dialect::Unknown, |(dialect, _)| dialect)
    }

    /// Whether a header tells about the failure, and does not belong to the record. Names that
    /// others might use are diagnostics only in their own dialect.
    pub(super) fn is_diagnostic(self, name: &str) -> bool {
        names::is_diagnostic(name)
            || spring::is_diagnostic(name)
            || connect::tells(name)
            || streams::tells(name)
            || share_group::tells(name)
            || match self {
                Dialect::SmallRye => smallrye::is_diagnostic(name),
                Dialect::Wolverine => wolverine::is_diagnostic(name),
                Dialect::Watermill => watermill::is_diagnostic(name),
                _ => false,
            }
    }

    /// The tool's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Dialect::Milena => "milena",
            Dialect::Spring => "spring",
            Dialect::Connect => "connect",
            Dialect::Streams => "streams",
            Dialect::ShareGroup => "share-group",
            Dialect::SmallRye => "smallrye",
            Dialect::Wolverine => "wolverine",
            Dialect::Watermill => "watermill",
            Dialect::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
