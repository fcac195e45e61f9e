//! Access control entries as Kafka numbers them, and the filters that select them.
//!
//! Plain data: owns the numbers, what is a valid entry, and what a filter matches.

use milena_wire::error_code::ErrorCode;

use crate::log::validate::Refusal;

/// Stands for any resource, principal or host.
pub(crate) const WILDCARD: &str = "*";
/// The only name of the resource `Cluster`.
pub(crate) const CLUSTER_NAME: &str = "kafka-cluster";

pub(crate) const ANY: i8 = 1;

/// Kinds of resources.
pub(crate) mod resource {
    pub(crate) const TOPIC: i8 = 2;
    pub(crate) const GROUP: i8 = 3;
    pub(crate) const CLUSTER: i8 = 4;
    pub(crate) const TRANSACTIONAL_ID: i8 = 5;
    pub(crate) const MAX: i8 = 7;
}

/// How a name is meant.
pub(crate) mod pattern {
    /// In a filter: all entries that would count for this name.
    pub(crate) const MATCH: i8 = 2;
    pub(crate) const LITERAL: i8 = 3;
    pub(crate) const PREFIXED: i8 = 4;
}

/// What is allowed or denied.
pub(crate) mod operation {
    pub(crate) const ALL: i8 = 2;
    pub(crate) const READ: i8 = 3;
    pub(crate) const WRITE: i8 = 4;
    pub(crate) const CREATE: i8 = 5;
    pub(crate) const DELETE: i8 = 6;
    pub(crate) const ALTER: i8 = 7;
    pub(crate) const DESCRIBE: i8 = 8;
    pub(crate) const CLUSTER_ACTION: i8 = 9;
    pub(crate) const DESCRIBE_CONFIGS: i8 = 10;
    pub(crate) const ALTER_CONFIGS: i8 = 11;
    pub(crate) const IDEMPOTENT_WRITE: i8 = 12;
    pub(crate) const MAX: i8 = 15;
}

/// Whether it is allowed or denied.
pub(crate) mod permission {
    pub(crate) const DENY: i8 = 2;
    pub(crate) const ALLOW: i8 = 3;
}

/// One entry: who may, or may not, do what to which resources.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Acl {
    pub(crate) resource_type: i8,
    pub(crate) resource_name: String,
    pub(crate) pattern_type: i8,
    /// `User:name` or `User:*`.
    pub(crate) principal: String,
    /// An address, or [`WILDCARD`].
    pub(crate) host: String,
    pub(crate) operation: i8,
    pub(crate) permission: i8,
}

impl Acl {
    /// Whether such an entry can exist.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        let refused = |reason: String| Err(Refusal::new(ErrorCode::InvalidRequest, reason));
        if self.resource_type <= ANY || self.resource_type > resource::MAX {
            return refused(format!("Invalid resourceType {}", self.resource_type));
        }
        if !matches!(self.pattern_type, pattern::LITERAL | pattern::PREFIXED) {
            return refused(format!("Invalid patternType {}", self.pattern_type));
        }
        if self.operation <= ANY || self.operation > operation::MAX {
            return refused(format!("Invalid operation {}", self.operation));
        }
        if !matches!(self.permission, permission::DENY | permission::ALLOW) {
            return refused(format!("Invalid permissionType {}", self.permission));
        }
        if self.resource_name.is_empty() {
            return refused("Resource name should not be empty".to_owned());
        }
        if self.resource_type == resource::CLUSTER && self.resource_name != CLUSTER_NAME {
            return refused(format!("The only name of a cluster is {CLUSTER_NAME}"));
        }
        let principal = self.principal.split_once(':');
        if principal.is_none_or(|(kind, name)| kind.is_empty() || name.is_empty()) {
            let principal = &self.principal;
            return refused(format!(
                "Could not parse principal from `{principal}`: User:NAME is expected"
            ));
        }
        Ok(())
    }

    /// Whether it is about a resource of this kind and name.
    pub(crate) fn concerns(&self, resource_type: i8, name: &str) -> bool {
        let is_named = match self.pattern_type {
            pattern::PREFIXED => name.starts_with(&self.resource_name),
            _ => self.resource_name == name || self.resource_name == WILDCARD,
        };
        self.resource_type == resource_type && is_named
    }

    /// Whether it is about this principal at this address.
    pub(crate) fn is_about(&self, principal: &str, host: &str) -> bool {
        let everyone = self.principal.strip_suffix(WILDCARD);
        let kind = principal.split_once(':').map_or("", |(kind, _)| kind);
        let is_everyone = everyone.is_some_and(|prefix| prefix.strip_suffix(':') == Some(kind));
        (is_everyone || self.principal == principal) && (self.host == WILDCARD || self.host == host)
    }

    /// Whether it decides about this operation: what is allowed implies that it may be seen.
    pub(crate) fn covers(&self, asked: i8) -> bool {
        use operation as op;
        let implied: &[i8] = match asked {
            _ if self.permission == permission::DENY => &[],
            op::DESCRIBE => &[op::READ, op::WRITE, op::DELETE, op::ALTER],
            op::DESCRIBE_CONFIGS => &[op::ALTER_CONFIGS],
            _ => &[],
        };
        self.operation == asked || self.operation == op::ALL || implied.contains(&self.operation)
    }
}

/// Which entries are meant; `None` is any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AclFilter {
    pub(crate) resource_type: i8,
    pub(crate) resource_name: Option<String>,
    pub(crate) pattern_type: i8,
    pub(crate) principal: Option<String>,
    pub(crate) host: Option<String>,
    pub(crate) operation: i8,
    pub(crate) permission: i8,
}

impl AclFilter {
    /// Whether its numbers have a meaning.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        let are_known = (ANY..=resource::MAX).contains(&self.resource_type)
            && (ANY..=pattern::PREFIXED).contains(&self.pattern_type)
            && (ANY..=operation::MAX).contains(&self.operation)
            && (ANY..=permission::ALLOW).contains(&self.permission);
        if are_known {
            return Ok(());
        }
        let reason = "the filter names an unknown type, pattern, operation or permission";
        Err(Refusal::new(ErrorCode::InvalidRequest, reason))
    }

    pub(crate) fn matches(&self, acl: &Acl) -> bool {
        let is = |filter: i8, value: i8| filter == ANY || filter == value;
        let text = |filter: &Option<String>, value: &str| {
            filter.as_deref().is_none_or(|filter| filter == value)
        };
        is(self.resource_type, acl.resource_type)
            && self.matches_name(acl)
            && text(&self.principal, &acl.principal)
            && text(&self.host, &acl.host)
            && is(self.operation, acl.operation)
            && is(self.permission, acl.permission)
    }

    fn matches_name(&self, acl: &Acl) -> bool {
        let is_pattern = match self.pattern_type {
            ANY | pattern::MATCH => true,
            pattern_type => pattern_type == acl.pattern_type,
        };
        let is_named = match &self.resource_name {
            None => true,
            Some(name) if self.pattern_type == pattern::MATCH => {
                acl.concerns(acl.resource_type, name)
            }
            Some(name) => *name == acl.resource_name,
        };
        is_pattern && is_named
    }
}

#[cfg(test)]
mod tests;
