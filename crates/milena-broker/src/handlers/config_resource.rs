//! What DescribeConfigs and the two requests that alter configurations have in common: finding what
//! they name, and putting a change into effect.

use std::sync::Arc;

use milena_wire::error_code::ErrorCode;
use milena_wire::rpc::StrBytes;

use crate::authorizer::acl::{CLUSTER_NAME, resource};
use crate::config::change::Subject;
use crate::config::layers::{Scope, Settings};
use crate::log::validate::Refusal;
use crate::node::Node;
use crate::server::RequestContext;
use crate::topics::Topic;

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

/// Something that can be configured.
pub(super) enum Resource {
    Topic(Arc<Topic>),
    /// This broker.
    Broker,
    /// All brokers.
    Cluster,
}

impl Resource {
    /// Finds what a request names.
    pub(super) fn find(node: &Node, resource_type: i8, name: &str) -> Result<Self, Refusal> {
        match resource_type {
            TOPIC => node
                .topics
                .by_name(name)
                .map(Resource::Topic)
                .ok_or_else(|| {
                    let reason = format!("The topic '{name}' does not exist.");
                    Refusal::new(ErrorCode::UnknownTopicOrPartition, reason)
                }),
            BROKER if name.is_empty() => Ok(Resource::Cluster),
            BROKER if name == node.config.node_id.to_string() => Ok(Resource::Broker),
            BROKER => Err(Refusal::new(
                ErrorCode::InvalidRequest,
                format!(
                    "Unexpected broker id, expected {} or empty string, but received {name}",
                    node.config.node_id
                ),
            )),
            other => Err(Refusal::new(
                ErrorCode::InvalidRequest,
                format!(
                    "resource type {other}; this broker has settings of topics (2) and brokers (4)"
                ),
            )),
        }
    }

    /// Refuses a client that may not do this with a topic's or the cluster's settings.
    pub(super) fn check(
        node: &Node,
        context: &RequestContext,
        (resource_type, name): (i8, &str),
    ) -> Result<(), Refusal> {
        let (kind, name) = match resource_type {
            TOPIC => (resource::TOPIC, name),
            _ => (resource::CLUSTER, CLUSTER_NAME),
        };
        let checked = node.authorizer.check(context, kind, name);
        checked.map_err(|code| Refusal::new(code, code.message()))
    }

    pub(super) fn subject(&self) -> Subject {
        match self {
            Resource::Topic(_) => Subject::Topic,
            Resource::Broker | Resource::Cluster => Subject::Broker,
        }
    }

    /// Replaces its settings by what `change` makes of them and has all topics concerned follow.
    pub(super) fn change(
        &self,
        node: &Node,
        validate_only: bool,
        change: impl FnOnce(&Settings, &dyn Fn(&str) -> Option<String>) -> Result<Settings, Refusal>,
    ) -> Result<(), Refusal> {
        let scope = match self {
            Resource::Topic(topic) => Scope::Topic(topic.id),
            Resource::Broker => Scope::Broker,
            Resource::Cluster => Scope::Cluster,
        };
        node.configs.change(scope, validate_only, change)?;
        match self {
            Resource::Topic(topic) => node.topics.reconfigure(std::slice::from_ref(topic)),
            Resource::Broker | Resource::Cluster => node.topics.reconfigure(&node.topics.all()),
        }
        Ok(())
    }
}

/// The answers to requests that name the same thing twice, as Apache Kafka gives them.
/// What became of a resource whose settings were to change, as both ways of changing them tell it.
pub(super) struct Altered {
    pub(super) code: i16,
    pub(super) message: Option<StrBytes>,
}

/// Changes each of `resources`, told apart by kind and name; one that is named twice not at all.
pub(super) fn alter_each<R>(
    resources: &[R],
    name: impl Fn(&R) -> (i8, &str),
    alter: impl Fn(&R) -> Result<(), Refusal>,
) -> Vec<Altered> {
    let altered = resources.iter().map(|resource| {
        let same = |other: &&R| name(other) == name(resource);
        let outcome = match resources.iter().filter(same).count() {
            1 => alter(resource),
            _ => Err(named_twice()),
        };
        match outcome {
            Ok(()) => Altered {
                code: ErrorCode::None.code(),
                message: None,
            },
            Err(refusal) => Altered {
                code: refusal.code.code(),
                message: Some(StrBytes::from_string(refusal.message)),
            },
        }
    });
    altered.collect()
}

fn named_twice() -> Refusal {
    Refusal::new(
        ErrorCode::InvalidRequest,
        "Each resource must appear at most once.",
    )
}
