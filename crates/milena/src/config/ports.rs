//! The port registry: which ports the instances of a service on one machine use.
//!
//! Owns the file's meaning and the arithmetic. Opens no port.

use std::collections::BTreeMap;
use std::path::Path;

use super::error::ConfigError;
use super::file::{self, FileValue};

/// How a port's name ends in the file.
const PORT_SUFFIX: &str = "_port";
/// More instances than anyone runs on one machine.
const INSTANCES_MAX: u16 = 1000;

/// The ports of services that run several times on one machine: a base for each port, an increment
/// from one instance to the next, and how many instances there may be. Instances count from 0.
///
/// ```yaml
/// kafka:
///   broker_port: 9092
///   controller_port: 19093
///   instance_increment: 100
///   max_instances: 10
/// ```
///
/// ```
/// # let directory = std::env::temp_dir().join(format!("milena-ports-{}", std::process::id()));
/// # std::fs::create_dir_all(&directory)?;
/// # let path = directory.join("port_registry.yaml");
/// # std::fs::write(&path, "kafka:\n  broker_port: 9092\n  controller_port: 19093\n  instance_increment: 100\n  max_instances: 10\n")?;
/// use milena::{Config, PortRegistry};
///
/// let registry = PortRegistry::read(&path)?;
/// assert_eq!(registry.port("kafka", "broker", 1)?, 9192);
/// assert_eq!(registry.port("kafka", "controller", 1)?, 19193);
/// assert!(registry.port("kafka", "broker", 10).is_err());
///
/// let port = registry.port("kafka", "broker", 2)?;
/// let config = Config::builder().bootstrap_servers(format!("localhost:{port}")).build()?;
/// assert_eq!(config.bootstrap_servers(), ["localhost:9292"]);
/// # std::fs::remove_dir_all(&directory)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortRegistry {
    path: String,
    services: BTreeMap<String, Service>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Service {
    line: usize,
    ports: BTreeMap<String, u16>,
    increment: Option<u16>,
    instances: Option<u16>,
}

impl PortRegistry {
    /// Reads a registry from a YAML or TOML file.
    ///
    /// # Errors
    /// [`ConfigError::File`] names the line when the file is malformed, has a name that does not
    /// belong there, lacks `instance_increment` or `max_instances`, or when two instances would
    /// share a port or have none.
    pub fn read(path: impl AsRef<Path>) -> Result<PortRegistry, ConfigError> {
        let path = path.as_ref();
        let values = file::read(path)?;
        let mut registry = PortRegistry {
            path: path.display().to_string(),
            services: BTreeMap::new(),
        };
        for value in values {
            let taken = registry.take(&value);
            taken.map_err(|problem| registry.error(Some(value.line), problem))?;
        }
        registry.check()?;
        Ok(registry)
    }

    /// The port called `name` (without `_port`) of an instance of `service`.
    ///
    /// # Errors
    /// When there is no such service, port or instance; the message says which there are.
    pub fn port(&self, service: &str, name: &str, instance: u16) -> Result<u16, ConfigError> {
        let ports = self.ports(service, instance)?;
        let found = ports.get(name).copied();
        found.ok_or_else(|| {
            let names: Vec<&str> = ports.keys().copied().collect();
            let names = names.join(", ");
            self.error(
                None,
                format!("{service} has no port {name:?}; it has {names}"),
            )
        })
    }

    /// All ports of an instance of `service` by their names (without `_port`).
    ///
    /// # Errors
    /// As [`PortRegistry::port`].
    pub fn ports(&self, service: &str, instance: u16) -> Result<BTreeMap<&str, u16>, ConfigError> {
        let found = self.services.get(service).ok_or_else(|| {
            let names: Vec<&str> = self.services.keys().map(String::as_str).collect();
            let names = names.join(", ");
            self.error(
                None,
                format!("there is no service {service:?}; there is {names}"),
            )
        })?;
        let instances = found.instances.unwrap_or(0);
        if instance >= instances {
            let last = instances.saturating_sub(1);
            let problem = format!(
                "{service} has no instance {instance}; max_instances is {instances}, so the last one is {last}"
            );
            return Err(self.error(Some(found.line), problem));
        }
        Ok(found.ports_of(instance).collect())
    }

    fn take(&mut self, value: &FileValue) -> Result<(), String> {
        let (service, key) = value
            .name
            .rsplit_once('.')
            .ok_or_else(|| format!("{}: put it under a service's name", value.name))?;
        let service = self.services.entry(service.to_owned()).or_default();
        if service.line == 0 {
            service.line = value.line;
        }
        let number = |least: u16, most: u16| {
            let number = value.text.parse().ok();
            let number = number.filter(|number| (least..=most).contains(number));
            number.ok_or_else(|| {
                let text = &value.text;
                format!(
                    "{}: {text:?} is not allowed; it must be a whole number from {least} to {most}",
                    value.name
                )
            })
        };
        let is_repeated = match (key, key.strip_suffix(PORT_SUFFIX)) {
            ("instance_increment", _) => service.increment.replace(number(1, u16::MAX)?).is_some(),
            ("max_instances", _) => service
                .instances
                .replace(number(1, INSTANCES_MAX)?)
                .is_some(),
            (_, Some(name)) if !name.is_empty() => {
                let port = number(1, u16::MAX)?;
                service.ports.insert(name.to_owned(), port).is_some()
            }
            _ => {
                return Err(format!(
                    "{}: unknown; there are NAME_port, instance_increment and max_instances",
                    value.name
                ));
            }
        };
        if is_repeated {
            return Err(format!("{} is set twice", value.name));
        }
        Ok(())
    }

    /// Every service is complete, and no two instances share a port.
    fn check(&self) -> Result<(), ConfigError> {
        let mut owners = BTreeMap::new();
        for (name, service) in &self.services {
            let error = |problem| self.error(Some(service.line), problem);
            let (Some(increment), Some(instances)) = (service.increment, service.instances) else {
                let problem = format!("{name} needs instance_increment and max_instances");
                return Err(error(problem));
            };
            let beyond = |base: &u16| {
                let last = u32::from(*base) + u32::from(instances - 1) * u32::from(increment);
                last > u32::from(u16::MAX)
            };
            if let Some((port, base)) = service.ports.iter().find(|(_, base)| beyond(base)) {
                let problem = format!(
                    "{name}.{port}{PORT_SUFFIX}: with {instances} instances {increment} apart, {base} leads beyond port 65535"
                );
                return Err(error(problem));
            }
            for instance in 0..instances {
                for (port_name, port) in service.ports_of(instance) {
                    let owner = format!("{name}.{port_name}{PORT_SUFFIX} of instance {instance}");
                    if let Some(other) = owners.insert(port, owner.clone()) {
                        return Err(error(format!("port {port} is {other} and {owner}")));
                    }
                }
            }
        }
        Ok(())
    }

    fn error(&self, line: Option<usize>, problem: String) -> ConfigError {
        ConfigError::File {
            path: self.path.clone(),
            line,
            problem,
        }
    }
}

impl Service {
    fn ports_of(&self, instance: u16) -> impl Iterator<Item = (&str, u16)> {
        let offset = instance.saturating_mul(self.increment.unwrap_or(0));
        let ports = self.ports.iter();
        ports.map(move |(name, base)| (name.as_str(), base.saturating_add(offset)))
    }
}

#[cfg(test)]
mod tests;
