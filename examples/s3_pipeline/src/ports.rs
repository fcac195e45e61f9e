//! Several instances on one machine, each with ports of its own.

use anyhow::{Result, ensure};
use milena::PortRegistry;

pub(crate) fn run() -> Result<()> {
    let registry = PortRegistry::read(concat!(env!("CARGO_MANIFEST_DIR"), "/port_registry.yaml"))?;
    for instance in 0..3 {
        let broker = registry.port("kafka", "broker", instance)?;
        let controller = registry.port("kafka", "controller", instance)?;
        println!("instance {instance}: broker={broker} controller={controller}");
    }
    ensure!(
        registry.port("kafka", "broker", 1)? == 9192,
        "the second broker's port"
    );
    ensure!(
        registry.port("kafka", "broker", 10).is_err(),
        "there are 10 instances"
    );
    Ok(())
}
