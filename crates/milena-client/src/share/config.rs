//! Settings of a share consumer: the checked type, its builder, and the names of
//! its properties. Must not know how a setting is used.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::config::{Configurable, Properties, Property};
use crate::error::Error;

/// Names travel with a signed 16-bit length; topics allow fewer bytes.
const NAME_BYTES_MAX: usize = 249;
/// Sizes travel as signed 32-bit numbers.
const BYTES_CEILING: usize = i32::MAX as usize;

/// Who says what becomes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum AcknowledgementMode {
    /// `implicit`: records handed out by one poll are accepted by the next, by
    /// `commit` and by `close`, unless they were acknowledged otherwise.
    #[default]
    Implicit,
    /// `explicit`: each record must be acknowledged before the next poll.
    Explicit,
}

/// Settings of a [`ShareConsumer`](super::ShareConsumer). Start from
/// [`ShareConfig::group`], change what should differ.
///
/// ```
/// # use milena_client::share::{AcknowledgementMode, ShareConfig};
/// let config = ShareConfig::group("mail").acknowledgement_mode(AcknowledgementMode::Explicit);
/// assert!(config.validate().is_ok());
/// ```
#[derive(Clone)]
#[must_use]
pub struct ShareConfig {
    pub(crate) group_id: Arc<str>,
    pub(crate) acknowledgement_mode: AcknowledgementMode,
    pub(crate) fetch_wait_max: Duration,
    pub(crate) fetch_bytes_min: usize,
    pub(crate) fetch_bytes_max: usize,
    pub(crate) poll_records_max: usize,
}

impl ShareConfig {
    /// A member of the share group `group_id`, with Kafka's defaults.
    pub fn group(group_id: impl Into<Arc<str>>) -> Self {
        Self {
            group_id: group_id.into(),
            acknowledgement_mode: AcknowledgementMode::default(),
            fetch_wait_max: Duration::from_millis(500),
            fetch_bytes_min: 1,
            fetch_bytes_max: 50 * 1024 * 1024,
            poll_records_max: 500,
        }
    }

    /// The settings that `properties` hold under Kafka's names, and defaults for
    /// the rest. Names it does not know stay for the other configurations; see
    /// [`Properties::finish`].
    ///
    /// # Errors
    /// [`Error::Config`] for a value that is not allowed.
    pub fn take_from(properties: &mut Properties) -> Result<Self, Error> {
        properties.fill(Self::group(""), Self::validate)
    }

    /// `share.acknowledgement.mode`. Default implicit.
    pub fn acknowledgement_mode(mut self, mode: AcknowledgementMode) -> Self {
        self.acknowledgement_mode = mode;
        self
    }

    /// `fetch.max.wait.ms`: how long a broker that has nothing keeps a fetch
    /// waiting. Acknowledgements to that broker wait as long. Default 500 ms.
    pub fn fetch_wait_max(mut self, wait: Duration) -> Self {
        self.fetch_wait_max = wait;
        self
    }

    /// `fetch.min.bytes`. Default 1.
    pub fn fetch_bytes_min(mut self, bytes: usize) -> Self {
        self.fetch_bytes_min = bytes;
        self
    }

    /// `fetch.max.bytes`: how much one response may hold. Default 50 MiB.
    pub fn fetch_bytes_max(mut self, bytes: usize) -> Self {
        self.fetch_bytes_max = bytes;
        self
    }

    /// `max.poll.records`: about how many records a broker acquires for one fetch;
    /// it does not split batches. Default 500.
    pub fn poll_records_max(mut self, records: usize) -> Self {
        self.poll_records_max = records;
        self
    }

    /// Checks every setting.
    ///
    /// # Errors
    /// [`Error::Config`] names the first setting that does not fit.
    pub fn validate(&self) -> Result<(), Error> {
        if !(1..=NAME_BYTES_MAX).contains(&self.group_id.len()) {
            let expected = format!("expected 1 to {NAME_BYTES_MAX} bytes");
            return Err(Error::config("group.id", &*self.group_id, expected));
        }
        if self.fetch_wait_max > Duration::from_secs(60) {
            let wait = self.fetch_wait_max.as_millis().to_string();
            return Err(Error::config(
                "fetch.max.wait.ms",
                wait,
                "expected at most 60000",
            ));
        }
        for (field, size) in [
            ("fetch.min.bytes", self.fetch_bytes_min),
            ("fetch.max.bytes", self.fetch_bytes_max),
            ("max.poll.records", self.poll_records_max),
        ] {
            if !(1..=BYTES_CEILING).contains(&size) {
                let expected = format!("expected 1 to {BYTES_CEILING}");
                return Err(Error::config(field, size.to_string(), expected));
            }
        }
        Ok(())
    }
}

impl Configurable for ShareConfig {
    const PROPERTIES: &'static [Property<Self>] = &[
        Property::new(&["group.id"], |config, value| {
            config.group_id = value.text().into();
            Ok(())
        }),
        Property::new(&["share.acknowledgement.mode"], |config, value| {
            config.acknowledgement_mode = value.one_of(&[
                ("implicit", AcknowledgementMode::Implicit),
                ("explicit", AcknowledgementMode::Explicit),
            ])?;
            Ok(())
        }),
        Property::new(
            &["fetch.max.wait.ms", "fetch.wait.max.ms"],
            |config, value| {
                config.fetch_wait_max = value.milliseconds()?;
                Ok(())
            },
        ),
        Property::new(&["fetch.min.bytes"], |config, value| {
            config.fetch_bytes_min = value.bytes()?;
            Ok(())
        }),
        Property::new(&["fetch.max.bytes"], |config, value| {
            config.fetch_bytes_max = value.bytes()?;
            Ok(())
        }),
        Property::new(&["max.poll.records"], |config, value| {
            config.poll_records_max = value.number()?;
            Ok(())
        }),
    ];
}

impl fmt::Debug for ShareConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ShareConfig")
            .field("group_id", &self.group_id)
            .field("acknowledgement_mode", &self.acknowledgement_mode)
            .finish_non_exhaustive()
    }
}
