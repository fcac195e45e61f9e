//! Property names: one table per configuration type maps Kafka's and librdkafka's names to its
//! fields. Knows no particular setting.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use zeroize::Zeroize;

use crate::error::Error;

/// What is shown in place of a secret.
const MASK: &str = "***";
/// How far a name may be from a known one to be offered as what was meant.
const SIMILARITY_MIN: f64 = 0.7;

/// Settings under Kafka's own names, on their way into typed configurations.
///
/// Each configuration takes the names it knows; [`Properties::finish`] refuses what nobody took.
///
/// ```
/// # use milena_client::{ClientConfig, config::Properties};
/// let mut properties = Properties::new([("bootstrap.servers", "localhost:9092"), ("client.idd", "x")]);
/// let config = ClientConfig::take_from(&mut properties)?;
/// let error = properties.finish().unwrap_err().to_string();
/// assert!(error.contains("did you mean \"client.id\""), "{error}");
/// # Ok::<(), milena_client::Error>(())
/// ```
#[must_use]
pub struct Properties {
    values: BTreeMap<String, String>,
    known_names: Vec<&'static str>,
    secret_names: Vec<&'static str>,
}

impl Properties {
    /// Holds `properties`; of a name given twice the last value counts.
    pub fn new<K, V>(properties: impl IntoIterator<Item = (K, V)>) -> Self
    where
        K: Into<String>,
        V: Into<String>,
    {
        let values = properties
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        Self {
            values,
            known_names: Vec::new(),
            secret_names: Vec::new(),
        }
    }

    /// Refuses names that no configuration took.
    ///
    /// # Errors
    /// [`Error::Config`] with the first such name and the nearest known one.
    pub fn finish(self) -> Result<(), Error> {
        let is_known = |name: &String| self.known_names.contains(&name.as_str());
        let Some((name, value)) = self.values.iter().find(|(name, _)| !is_known(name)) else {
            return Ok(());
        };
        let nearest = nearest(name, &self.known_names);
        let expected = match nearest {
            Some(known) => format!("unknown property, did you mean {known:?}?"),
            None => "unknown property".to_owned(),
        };
        let is_secret = nearest.is_some_and(|known| self.secret_names.contains(&known));
        let shown = if is_secret || looks_secret(name) {
            MASK
        } else {
            value
        };
        Err(Error::config(name, shown, expected))
    }

    /// `unset` with what there is for it, if that passes the check. Names it does not know stay for
    /// the others.
    pub(crate) fn fill<T: Configurable>(
        &mut self,
        mut unset: T,
        check: impl FnOnce(&T) -> Result<(), Error>,
    ) -> Result<T, Error> {
        self.take_into(&mut unset)?;
        check(&unset)?;
        Ok(unset)
    }

    /// Sets what `target` has names for. Several configurations may take the same name.
    pub(crate) fn take_into<T: Configurable>(&mut self, target: &mut T) -> Result<(), Error> {
        for property in T::PROPERTIES {
            for name in property.names {
                self.known_names.push(name);
                if property.is_secret {
                    self.secret_names.push(name);
                }
                if let Some(text) = self.values.get(*name) {
                    (property.set)(
                        target,
                        &PropertyValue {
                            name,
                            text: text.trim(),
                            is_secret: property.is_secret,
                        },
                    )?;
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Properties {
    /// The names; values may be secrets.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Properties ")?;
        formatter.debug_set().entries(self.values.keys()).finish()
    }
}

impl Drop for Properties {
    fn drop(&mut self) {
        self.values.values_mut().for_each(Zeroize::zeroize);
    }
}

/// A configuration type that can be filled from properties.
pub(crate) trait Configurable: Sized + 'static {
    /// Every name it takes. A later row wins over an earlier one.
    const PROPERTIES: &'static [Property<Self>];
}

/// What `properties` hold for one configuration, which has to know all names.
pub(crate) fn read_all<T, K, V>(
    properties: impl IntoIterator<Item = (K, V)>,
    take: impl FnOnce(&mut Properties) -> Result<T, Error>,
) -> Result<T, Error>
where
    K: Into<String>,
    V: Into<String>,
{
    let mut properties = Properties::new(properties);
    let config = take(&mut properties)?;
    properties.finish()?;
    Ok(config)
}

/// One setting of `T`: its names, Kafka's first, and what a value under one of them does.
pub(crate) struct Property<T> {
    names: &'static [&'static str],
    set: fn(&mut T, &PropertyValue<'_>) -> Result<(), Error>,
    is_secret: bool,
}

impl<T> Property<T> {
    /// A row of a table.
    pub(crate) const fn new(
        names: &'static [&'static str],
        set: fn(&mut T, &PropertyValue<'_>) -> Result<(), Error>,
    ) -> Self {
        Self {
            names,
            set,
            is_secret: false,
        }
    }

    /// A row whose value is never shown.
    pub(crate) const fn secret(
        names: &'static [&'static str],
        set: fn(&mut T, &PropertyValue<'_>) -> Result<(), Error>,
    ) -> Self {
        Self {
            names,
            set,
            is_secret: true,
        }
    }
}

/// A value as given, with its name for error messages.
#[derive(Clone, Copy)]
pub(crate) struct PropertyValue<'a> {
    name: &'static str,
    text: &'a str,
    is_secret: bool,
}

impl<'a> PropertyValue<'a> {
    /// The value, without white space around it.
    pub(crate) fn text(&self) -> &'a str {
        self.text
    }

    /// The value, which must not be empty.
    pub(crate) fn required(&self) -> Result<&'a str, Error> {
        match self.text {
            "" => Err(self.error("expected a text that is not empty")),
            text => Ok(text),
        }
    }

    /// A comma-separated list; empty parts do not count.
    pub(crate) fn list(&self) -> Vec<String> {
        split_list(self.text)
    }

    /// `true` or `false`; also `1` and `0`.
    pub(crate) fn boolean(&self) -> Result<bool, Error> {
        self.one_of(&[("true", true), ("false", false), ("1", true), ("0", false)])
    }

    /// A whole number of milliseconds.
    pub(crate) fn milliseconds(&self) -> Result<Duration, Error> {
        self.text
            .parse()
            .map(Duration::from_millis)
            .map_err(|_| self.error("expected a whole number of milliseconds"))
    }

    /// A whole number of bytes.
    pub(crate) fn bytes(&self) -> Result<usize, Error> {
        self.text
            .parse()
            .map_err(|_| self.error("expected a whole number of bytes"))
    }

    /// A number that is not a size or a time.
    pub(crate) fn number<N: std::str::FromStr>(&self) -> Result<N, Error> {
        self.text
            .parse()
            .map_err(|_| self.error("expected a whole number"))
    }

    /// One of the given words, whatever their case.
    pub(crate) fn one_of<V: Clone>(&self, allowed: &[(&str, V)]) -> Result<V, Error> {
        let found = allowed
            .iter()
            .find(|(word, _)| word.eq_ignore_ascii_case(self.text));
        found.map(|(_, value)| value.clone()).ok_or_else(|| {
            let words: Vec<&str> = allowed.iter().map(|(word, _)| *word).collect();
            self.error(format!("expected {}", words.join(", ")))
        })
    }

    /// This value is not usable, because `expected` something else.
    pub(crate) fn error(&self, expected: impl Into<String>) -> Error {
        let shown = if self.is_secret { MASK } else { self.text };
        Error::config(self.name, shown, expected)
    }

    /// The name under which it was given.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }
}

/// The parts of a comma-separated list.
pub(crate) fn split_list(text: &str) -> Vec<String> {
    text.split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Whether a name that nobody knows may be that of a secret.
fn looks_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["pass", "secret", "jaas", "token", "key"]
        .iter()
        .any(|sign| name.contains(sign))
}

fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(name, candidate), *candidate))
        .filter(|(similarity, _)| *similarity >= SIMILARITY_MIN)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests;
