//! What the sources give, until the configuration is built: values in any order, applied in the
//! order of their sources.

use super::error::ConfigError;
use super::profile::{PROFILES_ALLOWED, Profile};
use super::settings::{self, MASK, Setting};
use super::source::Source;
use super::{Config, Secret};

/// A value that a source gives to a setting.
#[derive(Clone)]
pub(crate) struct Given {
    setting: &'static Setting,
    /// Any of them may be a secret.
    text: Secret,
    source: Source,
}

impl std::fmt::Debug for Given {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} from {}", self.setting.name, self.source)
    }
}

impl Given {
    /// The value of the setting called `name`.
    pub(crate) fn new(name: &str, text: &str, source: Source) -> Result<Given, ConfigError> {
        let setting = settings::find(name).ok_or_else(|| ConfigError::Unknown {
            name: name.to_owned(),
            nearest: settings::nearest(name),
            origin: source.clone(),
        })?;
        let text =
            match settings::unit(name) {
                None => Secret::new(text.trim()),
                Some(unit) => Secret::new(in_units(text.trim(), unit).ok_or_else(|| {
                    ConfigError::Invalid {
                        field: name.to_owned(),
                        value: text.to_owned(),
                        allowed: format!("a whole number of {unit} bytes each"),
                        origin: source.clone(),
                    }
                })?),
            };
        Ok(Given {
            setting,
            text,
            source,
        })
    }

    fn apply(&self, config: &mut Config) -> Result<(), ConfigError> {
        let text = self.text.expose();
        (self.setting.apply)(config, text).ok_or_else(|| ConfigError::Invalid {
            field: self.setting.name.to_owned(),
            value: if self.setting.is_secret { MASK } else { text }.to_owned(),
            allowed: self.setting.allowed.to_owned(),
            origin: self.source.clone(),
        })?;
        config
            .sources
            .insert(self.setting.name, self.source.clone());
        Ok(())
    }
}

/// `text` times `unit`, as text.
fn in_units(text: &str, unit: u64) -> Option<String> {
    let number: u64 = text.parse().ok()?;
    Some(number.checked_mul(unit)?.to_string())
}

/// Applies what was given, and the profile named among it: the strongest sources last, and of one
/// source the latest value.
pub(crate) fn apply(mut given: Vec<Given>, config: &mut Config) -> Result<(), ConfigError> {
    given.sort_by_key(|given| given.source.rank());
    let named = given.iter().rfind(|given| given.setting.name == "profile");
    if let Some(named) = named {
        let text = named.text.expose();
        let profile: Profile = text.parse().map_err(|_| ConfigError::Invalid {
            field: "profile".to_owned(),
            value: text.to_owned(),
            allowed: PROFILES_ALLOWED.to_owned(),
            origin: named.source.clone(),
        })?;
        for (name, value) in profile.values() {
            Given::new(name, value, Source::Profile(profile))?.apply(config)?;
        }
    }
    given.iter().try_for_each(|given| given.apply(config))
}
