//! `server.properties` for one node: a broker and a controller on loopback.
//!
//! Knows Kafka's property names and no process.

use std::fmt::Write;
use std::path::Path;

const AUTHORIZER: &str = "org.apache.kafka.metadata.authorizer.StandardAuthorizer";

const RACK_AWARE: &str = "org.apache.kafka.common.replica.RackAwareReplicaSelector";

/// One node of a cluster.
#[derive(Clone, Copy, Debug)]
pub(super) struct NodeAddress {
    pub(super) id: u16,
    pub(super) broker_port: u16,
    pub(super) controller_port: u16,
}

/// The text of `server.properties` for `node` in the cluster `all`; `extra` lines come last and win.
pub(super) fn server_properties(
    version: &str,
    node: NodeAddress,
    all: &[NodeAddress],
    data_dir: &Path,
    extra: &[String],
) -> String {
    let voters = all
        .iter()
        .map(|peer| format!("{}@127.0.0.1:{}", peer.id, peer.controller_port))
        .collect::<Vec<_>>()
        .join(",");
    let replicas = all.len().min(3);
    let insync = if replicas >= 3 { 2 } else { 1 };
    let mut text = String::new();
    let mut set = |name: &str, value: &dyn std::fmt::Display| {
        writeln!(text, "{name}={value}").expect("invariant: writing to a String succeeds");
    };
    set("process.roles", &"broker,controller");
    set("node.id", &node.id);
    set("controller.quorum.voters", &voters);
    set("controller.listener.names", &"CONTROLLER");
    set(
        "listeners",
        &format!(
            "PLAINTEXT://127.0.0.1:{},CONTROLLER://127.0.0.1:{}",
            node.broker_port, node.controller_port
        ),
    );
    set(
        "advertised.listeners",
        &format!("PLAINTEXT://127.0.0.1:{}", node.broker_port),
    );
    set(
        "listener.security.protocol.map",
        &"CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    );
    set("inter.broker.listener.name", &"PLAINTEXT");
    set("log.dirs", &data_dir.display());
    set("num.partitions", &1);
    set("auto.create.topics.enable", &true);
    set("default.replication.factor", &replicas);
    set("min.insync.replicas", &insync);
    for topic in ["offsets.topic", "transaction.state.log"] {
        set(&format!("{topic}.replication.factor"), &replicas);
        set(&format!("{topic}.num.partitions"), &4);
    }
    set("transaction.state.log.min.isr", &insync);
    set("group.initial.rebalance.delay.ms", &0);
    // Tests use short sessions so that a dead member is noticed while they wait.
    set("group.min.session.timeout.ms", &1000);
    set("log.cleaner.dedupe.buffer.size", &4_194_304);
    // Tests say who may do what with topics of their own. Controllers of several nodes would have to
    // be super users to find each other, and so would everyone who connects without a name.
    if all.len() == 1 {
        set("authorizer.class.name", &AUTHORIZER);
        set("allow.everyone.if.no.acl.found", &true);
    }
    // A consumer that says where it is reads from the node there.
    set("broker.rack", &format!("rack-{}", node.id));
    set("replica.selector.class", &RACK_AWARE);
    // Tests wait for old records to go, and others keep records with old timestamps.
    set("log.retention.ms", &-1);
    set("log.retention.check.interval.ms", &500);
    set("log.initial.task.delay.ms", &500);
    // A client may use what its quota gives for two seconds at once, not for ten.
    set("quota.window.num", &3);
    // A test of compaction does not wait 15 s for the cleaner to look again.
    set("log.cleaner.backoff.ms", &200);
    if version.starts_with("3.") {
        set("group.coordinator.rebalance.protocols", &"classic,consumer");
    } else {
        set(
            "share.coordinator.state.topic.replication.factor",
            &replicas,
        );
        set("share.coordinator.state.topic.min.isr", &insync);
        set("share.coordinator.state.topic.num.partitions", &4);
    }
    text.push_str(&group_properties(version));
    for line in extra {
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// Members of groups whose coordinator assigns hear of changes with their heartbeats: quick ones.
fn group_properties(version: &str) -> String {
    let kinds: &[&str] = match version.starts_with("3.") {
        true => &["consumer"],
        false => &["consumer", "share"],
    };
    let mut text = String::new();
    for kind in kinds {
        for (name, value_ms) in [
            ("min.heartbeat.interval", 100),
            ("heartbeat.interval", 200),
            ("min.session.timeout", 1000),
            ("session.timeout", 6000),
        ] {
            writeln!(text, "group.{kind}.{name}.ms={value_ms}")
                .expect("invariant: writing to a String succeeds");
        }
    }
    text
}

#[cfg(test)]
mod tests;
