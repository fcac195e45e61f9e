//! Access control: who may do what to which resources (KIP-140, KIP-290).

use super::{Admin, check, text};
use crate::error::Error;
use crate::wire::StrBytes;
use crate::wire::messages::create_acls_request::AclCreation;
use crate::wire::messages::delete_acls_request::DeleteAclsFilter;
use crate::wire::messages::{CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest};

macro_rules! numbered {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $number:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
            /// One this client does not know, by Kafka's number.
            Other(i8),
        }

        impl $name {
            /// Kafka's number.
            #[must_use]
            pub const fn number(self) -> i8 {
                match self {
                    $(Self::$variant => $number,)*
                    Self::Other(number) => number,
                }
            }

            const fn read(number: i8) -> Self {
                match number {
                    $($number => Self::$variant,)*
                    other => Self::Other(other),
                }
            }
        }
    };
}

numbered! {
    /// What an entry is about.
    AclResourceType {
        /// A topic.
        Topic = 2,
        /// A group.
        Group = 3,
        /// The cluster; its only name is `kafka-cluster`.
        Cluster = 4,
        /// A `transactional.id`.
        TransactionalId = 5,
        /// A delegation token.
        DelegationToken = 6,
        /// A user, for delegation tokens of others.
        User = 7,
    }
}

numbered! {
    /// How the name in an entry is meant.
    AclPattern {
        /// As it is; `*` is all resources of the type.
        Literal = 3,
        /// As the beginning of names.
        Prefixed = 4,
    }
}

numbered! {
    /// What is done. What is allowed to be read, written, altered or deleted may also be described.
    AclOperation {
        /// Everything.
        All = 2,
        /// Fetch records, commit offsets, join a group.
        Read = 3,
        /// Produce records.
        Write = 4,
        /// Create topics.
        Create = 5,
        /// Delete topics, records, groups.
        Delete = 6,
        /// Add partitions, change access control.
        Alter = 7,
        /// See that it is there, and how it does.
        Describe = 8,
        /// What brokers do among themselves.
        ClusterAction = 9,
        /// Read settings.
        DescribeConfigs = 10,
        /// Change settings.
        AlterConfigs = 11,
        /// Write idempotently; implied by writing since 3.0.
        IdempotentWrite = 12,
        /// Create delegation tokens.
        CreateTokens = 13,
        /// See delegation tokens.
        DescribeTokens = 14,
        /// Keep transactions prepared (KIP-939).
        TwoPhaseCommit = 15,
    }
}

numbered! {
    /// Whether it is denied or allowed. One entry that denies beats all that allow.
    AclPermission {
        /// It is not.
        Deny = 2,
        /// It is.
        Allow = 3,
    }
}

/// Kafka's number for whatever there is.
const ANY: i8 = 1;
/// Kafka's number for all entries that count for a name.
const MATCH: i8 = 2;

/// One entry of access control.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Acl {
    /// What it is about.
    pub resource_type: AclResourceType,
    /// Its name, or the beginning of it; `*` is all.
    pub resource_name: String,
    /// How the name is meant.
    pub pattern: AclPattern,
    /// Whom it is about, such as `User:alice`; `User:*` is everyone.
    pub principal: String,
    /// From which address; `*` is anywhere.
    pub host: String,
    /// What is done.
    pub operation: AclOperation,
    /// Whether it is allowed.
    pub permission: AclPermission,
}

impl Acl {
    /// Allows `principal` to do this to one resource, from anywhere.
    #[must_use]
    pub fn allow(
        principal: impl Into<String>,
        operation: AclOperation,
        resource_type: AclResourceType,
        resource_name: impl Into<String>,
    ) -> Self {
        Self {
            resource_type,
            resource_name: resource_name.into(),
            pattern: AclPattern::Literal,
            principal: principal.into(),
            host: "*".to_owned(),
            operation,
            permission: AclPermission::Allow,
        }
    }

    /// Denies instead of allowing.
    #[must_use]
    pub fn denied(mut self) -> Self {
        self.permission = AclPermission::Deny;
        self
    }

    /// For all resources whose names begin so.
    #[must_use]
    pub fn prefixed(mut self) -> Self {
        self.pattern = AclPattern::Prefixed;
        self
    }

    fn to_wire(&self) -> AclCreation {
        AclCreation::default()
            .with_resource_type(self.resource_type.number())
            .with_resource_name(text(&self.resource_name))
            .with_resource_pattern_type(self.pattern.number())
            .with_principal(text(&self.principal))
            .with_host(text(&self.host))
            .with_operation(self.operation.number())
            .with_permission_type(self.permission.number())
    }
}

/// Which names a filter of entries matches.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum AclName {
    /// All.
    #[default]
    Any,
    /// Entries with this name, meant literally.
    Literal(String),
    /// Entries with this beginning of names.
    Prefixed(String),
    /// All entries that count for the resource of this name: its own, those with a beginning of it,
    /// and those for `*`.
    Match(String),
}

/// Which entries are meant; what is not set is any.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[must_use]
pub struct AclFilter {
    resource_type: Option<AclResourceType>,
    name: AclName,
    principal: Option<String>,
    host: Option<String>,
    operation: Option<AclOperation>,
    permission: Option<AclPermission>,
}

impl AclFilter {
    /// All entries.
    pub fn any() -> Self {
        Self::default()
    }

    /// Exactly this entry.
    pub fn exactly(acl: &Acl) -> Self {
        let name = acl.resource_name.clone();
        Self {
            resource_type: Some(acl.resource_type),
            name: match acl.pattern {
                AclPattern::Prefixed => AclName::Prefixed(name),
                _ => AclName::Literal(name),
            },
            principal: Some(acl.principal.clone()),
            host: Some(acl.host.clone()),
            operation: Some(acl.operation),
            permission: Some(acl.permission),
        }
    }

    /// About resources of this type with such names.
    pub fn resource(mut self, resource_type: AclResourceType, name: AclName) -> Self {
        self.resource_type = Some(resource_type);
        self.name = name;
        self
    }

    /// About this principal, such as `User:alice`.
    pub fn principal(mut self, principal: impl Into<String>) -> Self {
        self.principal = Some(principal.into());
        self
    }

    /// From this address.
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = Some(host.into());
        self
    }

    /// About this operation.
    pub fn operation(mut self, operation: AclOperation) -> Self {
        self.operation = Some(operation);
        self
    }

    /// That allow, or that deny.
    pub fn permission(mut self, permission: AclPermission) -> Self {
        self.permission = Some(permission);
        self
    }

    fn parts(&self) -> Parts {
        let (pattern, name) = match &self.name {
            AclName::Any => (ANY, None),
            AclName::Literal(name) => (AclPattern::Literal.number(), Some(name)),
            AclName::Prefixed(name) => (AclPattern::Prefixed.number(), Some(name)),
            AclName::Match(name) => (MATCH, Some(name)),
        };
        Parts {
            resource_type: self.resource_type.map_or(ANY, AclResourceType::number),
            name: name.map(|name| text(name)),
            pattern,
            principal: self.principal.as_deref().map(text),
            host: self.host.as_deref().map(text),
            operation: self.operation.map_or(ANY, AclOperation::number),
            permission: self.permission.map_or(ANY, AclPermission::number),
        }
    }
}

/// A filter as requests have it.
struct Parts {
    resource_type: i8,
    name: Option<StrBytes>,
    pattern: i8,
    principal: Option<StrBytes>,
    host: Option<StrBytes>,
    operation: i8,
    permission: i8,
}

impl Admin {
    /// Adds entries; one that is there already stays. Each has its own result, in the order given.
    ///
    /// # Errors
    /// If no controller answered.
    pub async fn create_acls(&self, acls: &[Acl]) -> Result<Vec<Result<(), Error>>, Error> {
        let request =
            CreateAclsRequest::default().with_creations(acls.iter().map(Acl::to_wire).collect());
        let response = self
            .retry("creation of access control", || async {
                let connection = self.controller().await?;
                connection.call(&request, self.timeout).await
            })
            .await?;
        let mut results = response.results.iter();
        let results = acls.iter().map(|acl| match results.next() {
            Some(row) => check(row.error_code, row.error_message.as_ref(), || {
                format!("cannot create {acl:?}")
            }),
            None => Err(Error::protocol(format!(
                "the broker said nothing about {acl:?}"
            ))),
        });
        Ok(results.collect())
    }

    /// The entries that a filter matches, sorted.
    ///
    /// # Errors
    /// SECURITY_DISABLED without an authorizer, CLUSTER_AUTHORIZATION_FAILED, or if no broker answered.
    pub async fn describe_acls(&self, filter: &AclFilter) -> Result<Vec<Acl>, Error> {
        let parts = filter.parts();
        let request = DescribeAclsRequest::default()
            .with_resource_type_filter(parts.resource_type)
            .with_resource_name_filter(parts.name)
            .with_pattern_type_filter(parts.pattern)
            .with_principal_filter(parts.principal)
            .with_host_filter(parts.host)
            .with_operation(parts.operation)
            .with_permission_type(parts.permission);
        let response = self
            .retry("description of access control", || async {
                let connection = self.lane.any_connection().await?;
                let response = connection.call(&request, self.timeout).await?;
                check(response.error_code, response.error_message.as_ref(), || {
                    "cannot describe access control".to_owned()
                })?;
                Ok(response)
            })
            .await?;
        let mut acls = Vec::new();
        for resource in &response.resources {
            acls.extend(resource.acls.iter().map(|row| Acl {
                resource_type: AclResourceType::read(resource.resource_type),
                resource_name: resource.resource_name.to_string(),
                pattern: AclPattern::read(resource.pattern_type),
                principal: row.principal.to_string(),
                host: row.host.to_string(),
                operation: AclOperation::read(row.operation),
                permission: AclPermission::read(row.permission_type),
            }));
        }
        acls.sort();
        Ok(acls)
    }

    /// Deletes the entries that filters match; each filter's result is what it deleted, sorted.
    ///
    /// # Errors
    /// If no controller answered.
    pub async fn delete_acls(
        &self,
        filters: &[AclFilter],
    ) -> Result<Vec<Result<Vec<Acl>, Error>>, Error> {
        let wire = filters.iter().map(|filter| {
            let parts = filter.parts();
            DeleteAclsFilter::default()
                .with_resource_type_filter(parts.resource_type)
                .with_resource_name_filter(parts.name)
                .with_pattern_type_filter(parts.pattern)
                .with_principal_filter(parts.principal)
                .with_host_filter(parts.host)
                .with_operation(parts.operation)
                .with_permission_type(parts.permission)
        });
        let request = DeleteAclsRequest::default().with_filters(wire.collect());
        let response = self
            .retry("deletion of access control", || async {
                let connection = self.controller().await?;
                connection.call(&request, self.timeout).await
            })
            .await?;
        let results = response.filter_results.iter().map(|result| {
            check(result.error_code, result.error_message.as_ref(), || {
                "cannot delete access control".to_owned()
            })?;
            let mut deleted = Vec::with_capacity(result.matching_acls.len());
            for row in &result.matching_acls {
                check(row.error_code, row.error_message.as_ref(), || {
                    format!("cannot delete an entry of {}", row.principal.as_str())
                })?;
                deleted.push(Acl {
                    resource_type: AclResourceType::read(row.resource_type),
                    resource_name: row.resource_name.to_string(),
                    pattern: AclPattern::read(row.pattern_type),
                    principal: row.principal.to_string(),
                    host: row.host.to_string(),
                    operation: AclOperation::read(row.operation),
                    permission: AclPermission::read(row.permission_type),
                });
            }
            deleted.sort();
            Ok(deleted)
        });
        Ok(results.collect())
    }
}
