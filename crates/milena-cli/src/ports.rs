//! `--ports` and `--instance`: which of a registry's ports are meant.

use std::path::PathBuf;

use clap::Args;
use milena::PortRegistry;

use crate::failure::Failure;

/// One of several instances on this machine.
#[derive(Debug, Clone, Args)]
pub(crate) struct PortArguments {
    /// A port registry: a YAML file with kafka: broker_port, instance_increment and
    /// max_instances.
    #[arg(long, value_name = "FILE", requires = "instance")]
    ports: Option<PathBuf>,

    /// Which instance, from 0; its port follows from --ports.
    #[arg(long, value_name = "N", requires = "ports")]
    instance: Option<u16>,
}

impl PortArguments {
    /// The broker's port, where a registry is given.
    pub(crate) fn broker(&self) -> Result<Option<u16>, Failure> {
        let (Some(path), Some(instance)) = (&self.ports, self.instance) else {
            return Ok(None);
        };
        let registry = PortRegistry::read(path)?;
        Ok(Some(registry.port("kafka", "broker", instance)?))
    }
}
